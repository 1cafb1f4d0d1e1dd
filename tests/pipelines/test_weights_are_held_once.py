"""A recommender's file holds no weights twice."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper, parser

from tidemill_pipelines.recommending.graph import export_recommender
from tidemill_pipelines.recommending.slim import share_weights

_GRAPH = """
agraph (int64[n] item, float[n, 2] query) => (float[n, 2] found, float[n, 3] product)
{
  turned = Transpose <perm = [0, 1]> (looked_up)
  found = Gather (turned, item)
  columns = Transpose <perm = [1, 0]> (vectors)
  product = MatMul (query, columns)
}
"""
VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def graph_of(looked_up):
    graph = parser.parse_graph(_GRAPH)
    for name, weights in (("looked_up", looked_up), ("vectors", VECTORS)):
        graph.initializer.append(numpy_helper.from_array(weights, name))
    graph.output.append(helper.make_tensor_value_info("vectors", onnx.TensorProto.FLOAT, (3, 2)))
    return graph


def answer(graph):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"item": np.array([2, 0]), "query": np.ones((2, 2), np.float32)})


def test_equal_weights_are_one():
    """Under the name of the output; what is computed stays the same."""
    graph = graph_of(VECTORS)
    before = answer(graph)
    share_weights(graph)
    assert [weights.name for weights in graph.initializer] == ["vectors"]
    assert [node.op_type for node in graph.node] == ["Gather", "Transpose", "MatMul"]
    for now, then in zip(answer(graph), before, strict=True):
        assert np.array_equal(now, then)


@pytest.mark.parametrize("other", [VECTORS + 1, VECTORS.reshape(2, 3), VECTORS.astype(np.float16)])
def test_weights_that_differ_stay_apart(other):
    """In a value, in shape or in precision."""
    graph = graph_of(other)
    share_weights(graph)
    assert {weights.name for weights in graph.initializer} == {"looked_up", "vectors"}


class Factors(torch.nn.Module):
    """Looks its items up in the vectors that it ranks by, as factored models do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("item_vectors", torch.randn(1_000, 32))

    def query(self, history, facts, activity, context):
        unused = 0 * (facts.sum() + activity.sum() + context.sum())
        return self.item_vectors[history.clamp(min=0)].sum(1) + unused

    def repeat(self, history, facts, activity):
        return facts[..., 0] + 0 * history + 0 * activity.sum()


def test_an_exported_model_holds_its_vectors_once(tmp_path):
    """Those that answer queries are those that histories are looked up in."""
    path = tmp_path / "model.onnx"
    export_recommender(
        Factors(), items=1_000, values=None, repeats=True, is_factored=True, path=path
    )
    assert path.stat().st_size < 1.5 * 1_000 * 32 * 4
