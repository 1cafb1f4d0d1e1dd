"""A launched challenger goes live by its experiment's verdict, or goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import onnx
import pytest

from tidemill.experiments.running import ExperimentBook
from tidemill.experiments.settling import settle_launch
from tidemill.experiments.standing import Standing
from tidemill.home import Home
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill.registry import Registry

DECLARED = {
    "arms": [
        {"name": "control", "share": "80%", "serve": "champion"},
        {"name": "new", "share": "20%", "serve": "challenger"},
    ],
    "promote": True,
}
LATER = datetime.now(UTC) + timedelta(days=9)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One registry for all tests: making its database takes seconds."""
    return Home(tmp_path_factory.mktemp("launches"))


@pytest.fixture
def launched(home, tmp_path, request):
    """An objective, by name, with champion 1 and challenger 2 of a running experiment."""
    name, registry = request.node.name.replace("_", "-"), Registry(home)
    one = onnx.TensorProto.FLOAT
    node = onnx.helper.make_node("Identity", ["features"], ["score"])
    ends = [onnx.helper.make_tensor_value_info(each, one, [1]) for each in ("features", "score")]
    graph = onnx.helper.make_graph([node], "same", ends[:1], ends[1:])
    opset = onnx.helper.make_opsetid("", 20)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset]), tmp_path / "model.onnx")
    for _ in range(2):
        registry.register(name, tmp_path, {}, {}, {})
    registry.promote(name, "1", "first")
    registry.put_to_the_test(name, "2")
    start(home, name, DECLARED)
    return name


def start(home, name, declared):
    block = DeclaredExperiment.model_validate(declared)
    at = datetime.now(UTC) + timedelta(seconds=1)
    return ExperimentBook(home).start(name, block, {"challenger": "2"}, at)


def standing(name, step, number=1):
    verdict = {"promote": "better", "roll back": "worse", "go on": "no difference yet"}[step]
    return Standing(
        name, number, LATER, "new", "orders", verdict, step, "+9.0% (+2.0% to +16.0%)",
        0.09, 0.02, 0.16, {"control": 800, "new": 200},
    )  # fmt: skip


def aliases(home, name):
    return {v["version"]: v["aliases"] for v in Registry(home).versions(name)}


def test_a_winner_goes_live(home, launched):
    """The reason in the history is the experiment's, with the lift."""
    said = settle_launch(home, standing(launched, "promote"), LATER)
    last = Registry(home).promotions(launched)[-1]
    assert (last.version, last.instead_of, last.reason) == ("2", "1", said)
    assert said == (f"experiment {launched}-1: new, better by orders: +9.0% (+2.0% to +16.0%)")
    assert aliases(home, launched) == {"2": ["champion"], "1": ["previous"]}
    (ended,) = ExperimentBook(home).all(launched)
    assert (ended.ended_at, ended.ended_because) == (LATER, said)
    assert not home.running_experiment(launched).exists()


def test_a_loser_goes(home, launched):
    """The champion stays, and what came of the training says why."""
    said = settle_launch(home, standing(launched, "roll back"), LATER)
    assert aliases(home, launched) == {"2": [], "1": ["champion"]}
    found = Registry(home).outcome(launched)
    assert (found.outcome, found.version, found.reason) == ("refused", "2", said)
    assert ExperimentBook(home).running(launched) is None


def test_the_undecided_goes_on(home, launched):
    """Nothing changes."""
    assert settle_launch(home, standing(launched, "go on"), LATER) is None
    assert aliases(home, launched) == {"2": ["challenger"], "1": ["champion"]}


def test_a_standing_of_another_experiment_decides_nothing(home, launched):
    """Its verdict may be weeks old."""
    assert settle_launch(home, standing(launched, "promote", number=7), LATER) is None
    assert Registry(home).champion(launched) == "1"


def test_only_what_was_declared_promotes(home, launched):
    """An experiment that only measures ends by hand."""
    start(home, launched, {**DECLARED, "promote": False})
    assert settle_launch(home, standing(launched, "promote", number=2), LATER) is None
    assert Registry(home).champion(launched) == "1"


def test_a_champion_of_another_hand_ends_it(home, launched):
    """Nobody was compared with what is live now."""
    book, registry = ExperimentBook(home), Registry(home)
    running = book.running(launched)
    earlier = replace(running, started_at=running.started_at - timedelta(minutes=1))
    book._keep(earlier)
    registry.register(launched, home.served(launched) / "2", {}, {}, {})
    registry.promote(launched, "3", "by hand")
    said = settle_launch(home, standing(launched, "promote"), LATER)
    assert "version 3 went live meanwhile" in said
    assert registry.champion(launched) == "3"


def test_a_promotion_that_was_killed_is_finished(home, launched):
    """After the registry's part and before the book's: it is not called another hand's."""
    book = ExperimentBook(home)
    running = book.running(launched)
    book._keep(replace(running, started_at=running.started_at - timedelta(minutes=1)))
    Registry(home).promote(launched, "2", "experiment: better")
    said = settle_launch(home, standing(launched, "go on"), LATER)
    assert said == "version 2 is live: experiment: better"
    assert Registry(home).outcome(launched).outcome == "promoted"
