"""From apply to delete: what an Objective brings about, and that nothing is left of it.

Against the API double and the Kubeflow stub.
"""

from __future__ import annotations

import pytest
from operator_world import World, objective_manifest

from tidemill.errors import ClusterError
from tidemill.objective.status import Phase
from tidemill.operator.deletion import FINALIZER


def test_an_objective_is_compiled_scheduled_and_trained_at_once(world: World) -> None:
    """One pipeline version, one recurring run, one first run."""
    world.apply()
    status = world.reconcile()
    assert [run["display_name"] for run in world.kubeflow.runs] == [status.training.name]
    assert len(world.kubeflow.versions) == 1
    (schedule,) = world.kubeflow.recurring_runs
    assert schedule["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
    assert (status.phase, status.type) == (Phase.TRAINING, "propensity")


def test_nothing_is_served_before_something_is_promoted(world: World) -> None:
    """No InferenceService, no monitor, and both conditions say why."""
    world.apply()
    world.reconcile()
    assert world.double.list("InferenceService") == []
    assert world.double.list("CronJob") == []
    assert world.condition("Serving")[:2] == ("False", "NoModel")


def test_a_champion_is_served_and_watched(world: World) -> None:
    """The phase is Serving once its pods answer."""
    world.apply()
    world.serve("1")
    status = world.status()
    assert world.model_folder() == "1"
    assert len(world.double.list("CronJob")) == 1
    assert (status.phase, status.modelVersion, status.quality) == (
        Phase.SERVING,
        "1",
        "AUC 0.900",
    )
    assert status.url == "http://orders.example.com"


def test_a_world_at_rest_is_left_alone(world: World) -> None:
    """No writes at all: neither to Kubernetes nor to Kubeflow."""
    world.apply()
    world.serve("1")
    world.kubeflow.finish(world.status().training.name)
    world.record("promoted", "first model")
    world.reconcile(times=2)
    before, posts = len(world.writes()), world.kubeflow.count("POST", "/")
    world.reconcile(times=3)
    assert len(world.writes()) == before
    assert world.kubeflow.count("POST", "/") == posts


def test_a_change_of_the_target_trains_again(world: World) -> None:
    """Under a new name; what is served stays served."""
    world.apply()
    world.serve("1")
    world.kubeflow.finish(world.status().training.name)
    world.reconcile()
    world.apply(objective_manifest(propensity={"event": "order", "within": "14d"}))
    world.reconcile(times=2)
    assert len(world.kubeflow.runs) == 2
    assert world.model_folder() == "1"


def test_a_change_of_replicas_trains_nothing(world: World) -> None:
    """Only the InferenceService changes."""
    world.apply()
    world.serve("1")
    world.apply(objective_manifest(serving={"replicas": {"min": 2, "max": 6}}))
    world.reconcile()
    predictor = world.double.get("InferenceService", "orders")["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 6)
    assert len(world.kubeflow.runs) == 1


def test_a_schedule_that_is_taken_away_is_gone(world: World) -> None:
    """And one that changes is replaced, never doubled."""
    world.apply()
    world.reconcile()
    world.apply(objective_manifest(training={"schedule": "0 4 * * *"}))
    world.reconcile()
    (schedule,) = world.kubeflow.recurring_runs
    assert schedule["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"
    world.apply(objective_manifest(training={}))
    world.reconcile()
    assert world.kubeflow.recurring_runs == []


def test_deleting_leaves_nothing(world: World) -> None:
    """Children go with their owner, the schedule and the running run with the finalizer."""
    world.apply()
    world.serve("1")
    world.double.delete("Objective", "orders")
    assert world.double.get("Objective", "orders") is not None
    world.operator.reconcile("orders")
    assert world.double.get("Objective", "orders") is None
    assert world.double.list("InferenceService") + world.double.list("CronJob") == []
    assert world.kubeflow.recurring_runs == []
    assert {run["state"] for run in world.kubeflow.runs} == {"CANCELING"}


def test_deleting_ends_scheduled_runs_too(world: World) -> None:
    """Kubeflow names those itself; they are found by the experiment."""
    world.apply()
    world.reconcile()
    (first,) = world.kubeflow.runs
    world.kubeflow.runs.append({**first, "run_id": "scheduled", "display_name": "cut-to-25"})
    world.double.delete("Objective", "orders")
    world.operator.reconcile("orders")
    assert {run["state"] for run in world.kubeflow.runs} == {"CANCELING"}


def test_what_never_reached_kubeflow_is_deleted_without_it(world: World) -> None:
    """A namespace must not hang for a server that was never there."""
    world.kubeflow.fail("GET", "/apis", 503, times=100)
    world.apply(objective_manifest(training={}))
    world.reconcile()
    world.double.delete("Objective", "orders")
    world.operator.reconcile("orders")
    assert world.double.get("Objective", "orders") is None


def test_deleting_waits_for_kubeflow(world: World) -> None:
    """Or the schedule would train for ever for an Objective that nobody sees; an event says so."""
    world.apply()
    world.reconcile()
    world.double.delete("Objective", "orders")
    world.kubeflow.fail("GET", "recurringruns", 503)
    with pytest.raises(Exception, match="Kubeflow"):
        world.operator.reconcile("orders")
    assert world.double.get("Objective", "orders") is not None
    assert "DeletionWaits" in {event["reason"] for event in world.double.list("Event")}
    world.operator.reconcile("orders")
    assert world.double.get("Objective", "orders") is None


def test_somebody_elses_finalizer_is_kept(world: World) -> None:
    """Ours is added beside it, and only ours is taken away."""
    manifest = objective_manifest()
    manifest["metadata"]["finalizers"] = ["other.example/keep"]
    world.apply(manifest)
    world.reconcile()
    finalizers = world.double.get("Objective", "orders")["metadata"]["finalizers"]
    assert finalizers == ["other.example/keep", FINALIZER]
    world.double.delete("Objective", "orders")
    world.operator.reconcile("orders")
    left = world.double.get("Objective", "orders")["metadata"]["finalizers"]
    assert left == ["other.example/keep"]


def test_a_conflicting_write_is_tried_again(world: World) -> None:
    """The second look sees what the other writer wrote."""
    world.apply()
    world.double.fail("PATCH", "/objectives/orders", 409)
    with pytest.raises(ClusterError, match="orders"):
        world.operator.reconcile("orders")
    assert world.reconcile().phase is Phase.TRAINING


def test_a_status_of_another_release_is_read_as_far_as_it_goes(world: World) -> None:
    """An unknown phase is found anew; the memory of runs and rollouts stays."""
    world.apply()
    world.serve("1")
    stored = world.double.get("Objective", "orders")["status"]
    world.double.set_status("Objective", "orders", {**stored, "phase": "Hibernating"}, "tidemill")
    assert world.reconcile().serving.version == "1"
    assert len(world.kubeflow.runs) == 1


def test_a_stored_objective_that_is_not_valid_says_what_is_wrong(world: World) -> None:
    """It may have been stored by another release; what runs goes on."""
    world.apply()
    world.serve("1")
    world.apply(objective_manifest(propensity={"event": "order", "within": "soon"}))
    status = world.reconcile()
    state, reason, message = world.condition("Compiled")
    assert (state, reason) == ("False", "Invalid")
    assert "within" in message
    assert status.phase is Phase.FAILED
    assert world.model_folder() == "1"
