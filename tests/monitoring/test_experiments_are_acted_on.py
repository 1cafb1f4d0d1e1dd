"""A run of the monitor judges the running experiment, and does what follows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from tidemill.events import EventLog
from tidemill.experiments.logged import encode_assigned, exposed
from tidemill.experiments.running import Experiment, ExperimentBook
from tidemill.experiments.standing import Standing, read_standing
from tidemill.home import Home
from tidemill.objective import Objective, adopt_objective
from tidemill.registry import Registry
from tidemill.segments import SegmentLog
from tidemill_monitoring.experiments.acting import act_on_experiment
from tidemill_monitoring.termination import termination_message
from tidemill_monitoring.verdicts import Concern, Decision, MonitorRun, Status, Verdict

DAYS, A_DAY = 8, 250
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = TODAY - timedelta(days=DAYS + 2)
LAUNCH = {
    "arms": [
        {"name": "old", "share": "50%", "serve": "champion"},
        {"name": "new", "share": "50%", "serve": "challenger"},
    ],
    "metrics": [{"name": "orders", "event": "order", "within": "1d"}],
    "smallest_effect": "50%",
    "promote": True,
}
BANDIT = {
    **{key: LAUNCH[key] for key in ("arms", "metrics")},
    "bandit": True,
}
PROPENSITY = {"propensity": {"event": "order", "within": "1d"}}
RECOMMENDATION = {"recommendation": {"event": "order", "within": "1d"}}


def objective_of(home: Home, spec: dict[str, Any]) -> Objective:
    path = home.root / "orders.yaml"
    document = {"apiVersion": "tidemill.dev/v1alpha1", "kind": "Objective", "spec": spec}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**document, "metadata": {"name": "orders"}}))
    return adopt_objective(home, str(path))


def register_two(home: Home, model: Path) -> None:
    """Champion 1, and challenger 2."""
    model.mkdir()
    node = onnx.helper.make_node("Identity", ["features"], ["score"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        for name in ("features", "score")
    ]
    graph = onnx.helper.make_graph([node], "same", ends[:1], ends[1:])
    opset = onnx.helper.make_opsetid("", 20)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset]), model / "model.onnx")
    registry = Registry(home)
    for _ in range(2):
        registry.register("orders", model, {}, {}, {})
    registry.promote("orders", "1", "first")
    registry.put_to_the_test("orders", "2")


def answer(home: Home, experiment: Experiment, rates: dict[str, float], events_of: Any) -> None:
    """So many new users a day, answered in their arms, who order as their arm makes them."""
    rng, log, rows = np.random.default_rng(1), SegmentLog(home.predictions("orders")), []
    for day in range(-21, DAYS):
        at = START + timedelta(days=day, hours=9)
        users = [f"u{day}-{number}" for number in range(A_DAY)]
        arms = [experiment.assign(user, at.date()) for user in users]
        chance = [rates[arm.name] if day >= 0 else rates["old"] for arm in arms]
        rows += [{"user": user, "name": "visit", "at": at} for user in users]
        rows += [
            {"user": user, "name": "order", "at": at + timedelta(hours=20)}
            for user, happens in zip(users, rng.random(A_DAY) < chance, strict=True)
            if happens
        ]
        if day >= 0:
            at_us = int(at.timestamp() * 1e6)
            log.write(encode_assigned("orders", at_us, users, exposed(experiment.name, arms)))
    log.close()
    numbered = ({**row, "id": f"e{number}"} for number, row in enumerate(rows))
    EventLog(home.events).append(events_of(*numbered))


@pytest.fixture
def tested(tmp_path, events_of):
    """`tested(spec, old=0.1, new=0.2)`: what a run of the monitor makes of it, and the home."""

    def run(spec: dict[str, Any], declared: dict[str, Any], **rates: float) -> SimpleNamespace:
        home = Home(tmp_path / "home")
        objective = objective_of(home, {**spec, "experiment": declared})
        if declared.get("promote"):
            register_two(home, tmp_path / "bundle")
        begun = ExperimentBook(home).start(
            "orders", objective.spec.experiment, {"challenger": "2"}, START
        )
        answer(home, begun, rates, events_of)

        def act(hours: int = 0) -> tuple[Standing | None, list[str]]:
            said: list[str] = []
            at = TODAY + timedelta(hours=hours)
            return act_on_experiment(home, objective, at, said.append), said

        return SimpleNamespace(home=home, standing=act()[0], act=act)

    return run


def test_a_better_challenger_goes_live(tested, monkeypatch) -> None:
    """Without any other measure being asked; the history has the lift."""
    monkeypatch.setattr("tidemill.registry.datetime", Yesteryear)
    found = tested(PROPENSITY, LAUNCH, old=0.1, new=0.2)
    assert (found.standing.verdict, found.standing.step) == ("better", "promote")
    registry = Registry(found.home)
    assert registry.champion("orders") == "2"
    assert registry.promotions("orders")[-1].reason == found.standing.sentence
    assert ExperimentBook(found.home).running("orders") is None


def test_a_worse_challenger_goes(tested, monkeypatch) -> None:
    """And the champion has never been away."""
    monkeypatch.setattr("tidemill.registry.datetime", Yesteryear)
    found = tested(PROPENSITY, LAUNCH, old=0.2, new=0.1)
    assert (found.standing.verdict, found.standing.step) == ("worse", "roll back")
    assert Registry(found.home).champion("orders") == "1"
    assert "worse by orders" in ExperimentBook(found.home).all("orders")[0].ended_because


def test_how_it_stands_is_kept_and_told(tested) -> None:
    """To the operator, with the users of each arm."""
    measured = {**LAUNCH, "promote": False, "smallest_effect": "20%"}
    found = tested(PROPENSITY, measured, old=0.1, new=0.105)
    standing = read_standing(found.home, "orders", 1)
    assert standing == found.standing
    assert standing.step == "go on"
    assert sum(standing.users.values()) == DAYS * A_DAY
    assert standing.lower < standing.lift < standing.upper
    verdicts = (Verdict(Concern.DRIFT, Status.OK, "fine"),)
    run = MonitorRun("orders", TODAY.isoformat(), 7, "1", verdicts, Decision(False, ""))
    told = json.loads(termination_message(run, standing))["experiment"]
    assert (told["lift"][0], told["verdict"]) == ("+", "no difference yet")


def test_a_bandit_moves_tomorrow(tested) -> None:
    """Most go to the better arm, the other is still tried, and today stays as it was."""
    found = tested(RECOMMENDATION, BANDIT, old=0.1, new=0.2)
    running = ExperimentBook(found.home).running("orders")
    now = datetime.now(UTC).date()
    today, tomorrow = (running.arms_on(now + timedelta(days=ahead)) for ahead in (0, 1))
    assert [float(arm.share) for arm in today] == [0.5, 0.5]
    assert [float(arm.share) for arm in tomorrow] == pytest.approx([0.075, 0.925], abs=0.01)
    assert sum(arm.share for arm in tomorrow) == 1


@pytest.mark.parametrize(("spec", "declared"), [(PROPENSITY, LAUNCH), (RECOMMENDATION, BANDIT)])
def test_a_day_is_judged_once(tested, spec, declared) -> None:
    """A monitor that runs every hour reads the logs once a day."""
    found = tested(spec, {**declared, "promote": False}, old=0.1, new=0.105)
    assert found.act(hours=23) == (found.standing, [])
    later, said = found.act(hours=24)
    assert later.at == found.standing.at + timedelta(days=1)
    assert said[0] == "judging experiment orders-1"


def test_nothing_runs_nothing_is_judged(tmp_path) -> None:
    """Most objectives have no experiment."""
    home = Home(tmp_path)
    objective = objective_of(home, PROPENSITY)
    assert act_on_experiment(home, objective, TODAY, print) is None


class Yesteryear(datetime):
    """The registry's clock, before the experiment began; real time cannot be waited for."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return START.astimezone(tz) - timedelta(days=30)
