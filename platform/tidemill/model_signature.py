"""What goes in and comes out of a model file, in MLflow's words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def signature_of(model: Path) -> Any:
    """What goes in and comes out, for people who find the model in MLflow."""
    from mlflow.models import ModelSignature  # only registering needs these two
    from onnx import load

    graph = load(model, load_external_data=False).graph
    return ModelSignature(inputs=_schema(graph.input), outputs=_schema(graph.output))


def _schema(tensors: Iterable[Any]) -> Any:
    """MLflow's words for tensors of a graph; -1 is a dimension of any size."""
    from mlflow.types import Schema, TensorSpec
    from onnx.helper import tensor_dtype_to_np_dtype

    found = []
    for tensor in tensors:
        kind = tensor.type.tensor_type
        shape = tuple(each.dim_value if not each.dim_param else -1 for each in kind.shape.dim)
        found.append(TensorSpec(tensor_dtype_to_np_dtype(kind.elem_type), shape, tensor.name))
    return Schema(found)
