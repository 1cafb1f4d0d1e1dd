"""The exported graph chooses what the torch model would, whatever may not be chosen."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tidemill.errors import BundleError
from tidemill_pipelines.recommending.graph import export_recommender
from tidemill_pipelines.recommending.parity import (
    Recommender,
    expected_scores,
    largest_difference,
)

ITEMS, WIDTH, CONTEXTS = 40, 6, 3
INPUTS = ["history", "facts", "activity", "context", "allowed", "excluded", "k"]


class Model(torch.nn.Module):
    """Items near those of the history, a context's own, and repeats by their facts."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.register_buffer("item_vectors", torch.randn(ITEMS, WIDTH))
        self.contexts = torch.nn.Embedding(CONTEXTS + 1, WIDTH)
        self.facts = torch.nn.Linear(7, 1)

    def query(self, history, facts, activity, context):  # noqa: ARG002  # the one signature of all
        is_own = (history >= 0).unsqueeze(-1)
        own = self.item_vectors[history.clamp(min=0)] * is_own
        return own.sum(1) / (1 + is_own.sum(1)) + self.contexts(context + 1)

    def repeat(self, history, facts, activity):  # noqa: ARG002  # the one signature of all
        return self.facts(torch.log1p(facts)).squeeze(-1) - torch.log1p(activity[:, :1])

    def forward(self, history, facts, activity, context):
        scores = self.query(history, facts, activity, context) @ self.item_vectors.T
        place = torch.where(history >= 0, history, ITEMS)
        wider = torch.nn.functional.pad(scores, (0, 1))
        return wider.scatter(1, place, self.repeat(history, facts, activity))[:, :ITEMS]


def exported(path, *, is_factored=True, repeats=True, values=None):
    model = Model()
    export_recommender(
        model, items=ITEMS, values=values, repeats=repeats, is_factored=is_factored, path=path
    )
    return Recommender(model, ITEMS, CONTEXTS, values, repeats)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("graph") / "model.onnx"


@pytest.fixture(scope="module")
def recommender(path):
    """A factored one in its file."""
    return exported(path)


def ask(path, outputs=("item", "score"), **changed):
    """One user with items 4 and 7 in the history, one without; what `changed` says instead."""
    feeds = {
        "history": np.array([[4, 7], [-1, -1]]),
        "facts": np.ones((2, 2, 7), np.float32),
        "activity": np.ones((2, 5), np.float32),
        "context": np.array([0, -1]),
        "allowed": np.ones((1, ITEMS), bool),
        "excluded": np.empty((2, 0), np.int64),
        "k": np.array([5]),
    }
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(list(outputs), {**feeds, **changed})


@pytest.mark.parametrize(
    ("is_factored", "repeats", "has_values"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, True)],
)
def test_the_graph_equals_torch(tmp_path, is_factored, repeats, has_values):
    """Over random requests: empty histories, one user, masks for each, nothing left."""
    values = np.linspace(0.5, 90, ITEMS, dtype=np.float32) if has_values else None
    recommender = exported(
        tmp_path / "m.onnx", is_factored=is_factored, repeats=repeats, values=values
    )
    for seed in range(3):
        assert largest_difference(recommender, tmp_path / "m.onnx", seed) <= 1e-5


def test_another_models_file_is_refused(recommender, path):
    """The check can fail."""
    other = Recommender(Model(seed=1), ITEMS, CONTEXTS, None, True)
    with pytest.raises(BundleError, match="ONNX and torch differ"):
        largest_difference(other, path)


def test_a_repeating_graph_is_no_graph_without_repeats(recommender, path):
    """Own items that come back show in the check."""
    strict = Recommender(recommender.module, ITEMS, CONTEXTS, None, repeats=False)
    with pytest.raises(BundleError, match="differ by inf"):
        largest_difference(strict, path)


def test_excluded_and_forbidden_items_never_come(recommender, path):
    """Each user's own exclusions, and what is forbidden to all, own items among it."""
    allowed = np.ones((1, ITEMS), bool)
    allowed[0, [4, 20]] = False
    item, _ = ask(path, allowed=allowed, excluded=np.array([[7, 9], [3, -1]]), k=np.array([ITEMS]))
    assert set(item[0].tolist()) == set(range(ITEMS)) - {4, 20, 7, 9} | {-1}
    assert set(item[1].tolist()) == set(range(ITEMS)) - {4, 20, 3} | {-1}


def test_a_mask_of_ones_own(recommender, path):
    """Every user may have another catalogue."""
    allowed = np.zeros((2, ITEMS), bool)
    allowed[0, :3], allowed[1, 7] = True, True
    item, score = ask(path, allowed=allowed)
    assert set(item[0].tolist()) == {0, 1, 2, -1}
    assert item[1].tolist() == [7, -1, -1, -1, -1]
    assert score[1, 1:].tolist() == [0, 0, 0, 0]


def test_more_than_there_is_gives_all(recommender, path):
    """`k` is cut to the catalogue."""
    item, _ = ask(path, k=np.array([ITEMS + 10]))
    assert item.shape == (2, ITEMS)


def test_scores_are_probabilities_times_value(recommender, path, tmp_path):
    """Of the item that stands there."""
    values = np.full(ITEMS, 3, np.float32)
    values[11] = 1000
    exported(tmp_path / "offer.onnx", values=values)
    chance, expected = (ask(each, k=np.array([ITEMS])) for each in (path, tmp_path / "offer.onnx"))
    by_item = [dict(zip(item[0], score[0], strict=True)) for item, score in (chance, expected)]
    for item, worth in by_item[1].items():
        assert worth == pytest.approx(by_item[0][item] * values[item], rel=1e-5)


def test_a_factored_graph_can_be_searched_from_outside(recommender, path):
    """Query and item vectors order new items as the scores do; repeats are in the same unit."""
    item, score, query, vectors, repeat = ask(
        path, ("item", "score", "query", "item_vectors", "repeat"), k=np.array([ITEMS])
    )
    new = [place for place in item[0] if place not in (4, 7)]
    assert np.argsort(-(vectors @ query[0])[new]).tolist() == list(range(len(new)))
    place = item[0].tolist().index(4)
    assert score[0, place] == pytest.approx(1 / (1 + np.exp(-repeat[0, 0])), rel=1e-5)


def test_inputs_and_outputs_are_those_of_the_bundle(recommender, path):
    """In this order, with free numbers of users, history and exclusions; in one file."""
    graph = onnx.load(path, load_external_data=False).graph
    assert [each.name for each in graph.input] == INPUTS
    assert [each.name for each in graph.output][:2] == ["item", "score"]
    free = {
        each.name: [d.dim_param for d in each.type.tensor_type.shape.dim] for each in graph.input
    }
    assert (free["history"], free["excluded"], free["allowed"][0]) == (["n", "L"], ["n", "E"], "m")
    assert [each.name for each in path.parent.iterdir()] == ["model.onnx"]


def test_scores_of_all_items_are_changed_where_they_are(recommender, path):
    """One product, then scatters, each of which alone reads what the one before it wrote."""
    graph = onnx.load(path, load_external_data=False).graph
    wide = {each.name for each in graph.value_info if each.name.startswith("choice.")}
    made = [node.op_type for node in graph.node if wide.intersection(node.output)]
    assert made == ["Gemm", *["ScatterElements"] * 3]
    read = [name for node in graph.node for name in node.input if name in wide]
    assert sorted(read) == sorted(wide)


def test_a_model_too_large_for_one_file_is_refused(path, monkeypatch):
    """Before minutes are spent on it, with its size."""
    monkeypatch.setattr("tidemill_pipelines.recommending.graph._LARGEST", 100)
    with pytest.raises(BundleError, match="of weights, more than one ONNX file may hold"):
        exported(path)


def test_an_epsilon_survives_the_export(tmp_path):
    """A guard of 1e-12 against a division by zero is not optimised away."""

    class Guarded(Model):
        def repeat(self, history, facts, activity):
            return super().repeat(history, facts, activity) + facts[..., 0] / (
                facts[..., 0] + 1e-12
            )

    recommender = Recommender(Guarded(), ITEMS, CONTEXTS, None, True)
    export_recommender(
        recommender.module,
        items=ITEMS,
        values=None,
        repeats=True,
        is_factored=True,
        path=tmp_path / "m",
    )
    item, _ = ask(tmp_path / "m", facts=np.zeros((2, 2, 7), np.float32), k=np.array([ITEMS]))
    assert (item >= 0).all()


def test_what_is_expected_is_known_by_hand(recommender):
    """The reference of the check itself: a sigmoid, and minus infinity where nothing may stand."""
    feeds = {
        "history": np.array([[4]]),
        "facts": np.zeros((1, 1, 7), np.float32),
        "activity": np.zeros((1, 5), np.float32),
        "context": np.array([0]),
        "allowed": np.arange(ITEMS)[None] != 2,
        "excluded": np.array([[3, -1]]),
    }
    scores = expected_scores(recommender, feeds)
    assert np.flatnonzero(np.isinf(scores[0])).tolist() == [2, 3]
    own = torch.sigmoid(recommender.module.facts.bias).item()
    assert scores[0, 4] == pytest.approx(own)
