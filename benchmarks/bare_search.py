"""ONNX Runtime alone: the least that an exact search has to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def bare_search(vectors: NDArray[np.float32], path: Path) -> onnxruntime.InferenceSession:
    """Inner products and a TopK, nothing else."""
    nodes = [
        helper.make_node("MatMul", ["query", "vectors"], ["scores"]),
        helper.make_node("TopK", ["scores", "k"], ["score", "item"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bare",
        [
            helper.make_tensor_value_info("query", TensorProto.FLOAT, ["n", vectors.shape[1]]),
            helper.make_tensor_value_info("k", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", "k"]),
            helper.make_tensor_value_info("item", TensorProto.INT64, ["n", "k"]),
        ],
        [numpy_helper.from_array(vectors.T.copy(), "vectors")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    onnx.save(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options)
