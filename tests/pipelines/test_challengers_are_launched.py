"""A challenger that passed the gate gets an arm of an experiment, when that has the last word."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tidemill.events import EventLog
from tidemill.experiments.running import ExperimentBook
from tidemill.experiments.settling import stop_experiment
from tidemill.home import Home
from tidemill.objective import load_objective
from tidemill.predictions import PredictionLog, Predictions
from tidemill.registry import Registry
from tidemill_pipelines import steps
from tidemill_pipelines.settling import settle

OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  propensity: {event: order, within: 14d}
  training: {cutoffs: 3}
  serving: %s
  experiment:
    promote: true
    arms:
      - {name: control, share: 90%%, serve: champion}
      - {name: new, share: 10%%, serve: challenger}
"""
BETTER = {"difference": 0.05, "lower": 0.03, "upper": 0.07}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shop_events, cutoff):
    """A trained model; `candidate(objective)` registers and promotes it once more."""
    folder = tmp_path_factory.mktemp("launch")
    home = Home(folder / "home")
    EventLog(home.events).append(shop_events(300, 120))
    plain, shadowed = (folder / name for name in ("plain.yaml", "shadowed.yaml"))
    plain.write_text(OBJECTIVE % "{}")
    shadowed.write_text(OBJECTIVE % "{shadow: 7d}")
    root, first = str(home.root), load_objective(plain).model_dump_json()
    plan, dataset, model, judged = (str(folder / name) for name in ("p", "dataset", "m", "e"))
    steps.validate(root, first, cutoff.isoformat(), plan)
    steps.build_training_set(root, first, plan, dataset)
    steps.train(first, dataset, model)

    def candidate(objective):
        text = objective.model_dump_json()
        steps.evaluate(root, text, dataset, model, judged)
        facts = json.loads(Path(judged).read_text())
        if facts["over_champion"] is not None:
            # The same model again is never better; what follows is what is tested.
            Path(judged).write_text(json.dumps({**facts, "over_champion": BETTER}))
        version = steps.register(root, text, dataset, model, judged, "test")
        steps.promote(root, text, version, plan, judged)
        return version

    objectives = [load_objective(file) for file in (plain, shadowed)]
    candidate(objectives[0])
    return SimpleNamespace(home=home, candidate=candidate, objectives=objectives)


@pytest.fixture(autouse=True)
def quiet(shop):
    """Nothing is on trial after a test."""
    yield
    stop_experiment(shop.home, "orders", "the test is over", datetime.now(UTC))
    Registry(shop.home).end_shadow("orders")


def test_a_first_model_goes_live(shop):
    """It has no champion to be compared with."""
    assert Registry(shop.home).promotions("orders")[0].version == "1"


def test_a_challenger_gets_its_arm(shop):
    """The champion stays, the bundle lies beside it, and the experiment says who answers whom."""
    version = shop.candidate(shop.objectives[0])
    registry, running = Registry(shop.home), ExperimentBook(shop.home).running("orders")
    assert registry.champion("orders") == "1"
    assert [(arm.serve, arm.version) for arm in running.arms] == [
        ("champion", None),
        ("challenger", version),
    ]
    assert (shop.home.served("orders") / version / "model.onnx").exists()
    (newest, *_) = registry.versions("orders")
    assert newest["aliases"] == ["challenger"]
    found = registry.outcome("orders")
    assert (found.outcome, found.reason) == (
        "launched",
        f"version {version} has to win experiment {running.name}",
    )


def test_the_next_one_waits(shop):
    """An experiment that starts over with every training decides about nobody."""
    first = shop.candidate(shop.objectives[0])
    running = ExperimentBook(shop.home).running("orders")
    second = shop.candidate(shop.objectives[0])
    assert ExperimentBook(shop.home).running("orders") == running
    found = Registry(shop.home).outcome("orders")
    assert (found.outcome, found.version) == ("refused", second)
    assert found.reason == f"experiment {running.name} is still deciding about version {first}"


def test_from_the_shadow_into_an_arm(shop):
    """Sane first, then measured; nobody goes live from the shadow alone."""
    objective, registry = shop.objectives[1], Registry(shop.home)
    version = shop.candidate(objective)
    assert registry.shadow("orders")[0] == version
    scored_in_the_shadow(shop.home, version)
    verdict = settle(shop.home, objective, datetime.now(UTC) + timedelta(days=8))
    running = ExperimentBook(shop.home).running("orders")
    assert verdict.decision == "launch", verdict.reason
    assert verdict.reason.endswith(f"version {version} has to win experiment {running.name}")
    assert (registry.champion("orders"), registry.shadow("orders")) == ("1", None)


def scored_in_the_shadow(home, version):
    """As a server would have: the same questions, answered by both, with equal scores."""
    users, at = 120, int(datetime.now(UTC).timestamp() * 1e6) + 1_000_000
    for folder, by in (
        (home.predictions("orders"), "1"),
        (home.shadow_predictions("orders"), version),
    ):
        log = PredictionLog(folder)
        for number in range(users):
            score = np.array([0.05 + 0.9 * number / users])
            log.append(
                Predictions(
                    prediction_id=f"{version}-{number}", requested_at=at, objective="orders",
                    model_version=by, feature_hash="", users=[f"u{number}"],
                    cutoffs=np.zeros(1, np.int64), cold_start=np.zeros(1, np.bool_),
                    scores=score, grades=["A"], vectors=np.zeros((1, 2), np.float32),
                )
            )  # fmt: skip
        log.close()
