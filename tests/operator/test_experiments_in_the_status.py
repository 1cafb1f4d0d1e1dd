"""What the monitor finds of an experiment is in the Objective's status and events."""

from __future__ import annotations

import json
from typing import Any

from operator_world import World

from tidemill.objective.crd import objective_crd


def say(world: World, **experiment: Any) -> None:
    """A monitor ends, with or without an experiment."""
    facts = {"at": world.now.isoformat(), "status": "ok", "drift": "ok", "sentence": "fine"}
    found = {"experiment": {"name": "orders-1", **experiment}} if experiment else {}
    world.say(json.dumps({**facts, "retrain": False, "reason": "", **found}))


def told(world: World) -> list[str]:
    events = world.double.list("Event")
    return [event["message"] for event in events if event["reason"] == "ExperimentDecided"]


def served(world: World) -> World:
    world.apply()
    world.serve("1")
    return world


def test_the_lift_has_a_column() -> None:
    """Of what `kubectl get objectives` shows."""
    (version,) = objective_crd()["spec"]["versions"]
    columns = {each["name"]: each["jsonPath"] for each in version["additionalPrinterColumns"]}
    assert columns["Lift"] == ".status.lift"


def test_the_status_has_arms_and_lift(world: World) -> None:
    """As the monitor said them."""
    arms = [{"name": "control", "users": 800}, {"name": "new", "users": 200}]
    say(served(world), lift="+4.1%", verdict="no difference yet", arms=arms)
    status = world.reconcile()
    assert (status.experiment.name, status.lift) == ("orders-1", "+4.1% no difference yet")
    assert [arm.users for arm in status.experiment.arms] == [800, 200]
    assert told(world) == []


def test_a_decision_is_told_once(world: World) -> None:
    """However often it is found again."""
    for _ in range(2):
        say(served(world), verdict="better", sentence="new is better")
        world.reconcile(times=2)
        world.later(hours=1)
    assert told(world) == ["new is better"]


def test_a_monitor_without_an_experiment_takes_nothing_away(world: World) -> None:
    """What was found last stays to be seen."""
    say(served(world), verdict="worse", lift="-3.0%")
    world.reconcile()
    world.later(hours=1)
    say(world)
    assert world.reconcile().lift == "-3.0% worse"
