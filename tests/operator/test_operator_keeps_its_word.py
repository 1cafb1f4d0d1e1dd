"""Level-triggered: whatever happened in between, the next look puts it right.

Against the API double and the Kubeflow stub.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from operator_world import World, objective_manifest

from tidemill.errors import ClusterError
from tidemill.objective.status import Phase


def verdict(world: World, status: str = "act", retrain: bool = True) -> str:
    facts = {"at": world.now.isoformat(), "status": status, "drift": "watch"}
    return json.dumps({**facts, "sentence": "AUC fell", "retrain": retrain, "reason": "AUC fell"})


def trained(world: World) -> None:
    """An Objective that answers, whose first run has ended."""
    world.apply()
    world.serve("1")
    world.kubeflow.finish(world.status().training.name)
    world.record("promoted", "first model")
    world.reconcile()


def test_a_run_that_was_started_before_the_operator_died_is_found_again(world: World) -> None:
    """Between the start and the note of it: no second run."""
    world.apply()
    world.double.fail("PATCH", "/status", 500)
    with pytest.raises(ClusterError):
        world.operator.reconcile("orders")
    world.restart()
    status = world.reconcile()
    assert [run["display_name"] for run in world.kubeflow.runs] == [status.training.name]


@pytest.mark.parametrize("request_number", range(14))
def test_dying_at_any_request_changes_nothing_in_the_end(world: World, request_number: int) -> None:
    """The n-th request and all after it fail, the operator starts anew, the world is as ever."""
    world.apply()
    world.promote("1")
    world.die_after(request_number)
    with suppress(ClusterError):
        world.operator.reconcile("orders")
    world.double.heal()
    world.restart()
    world.serve("1")
    assert len(world.kubeflow.runs) == len(world.kubeflow.recurring_runs) == 1
    assert world.status().phase is Phase.SERVING


def test_a_child_that_drifted_is_put_back(world: World) -> None:
    """Somebody edited the InferenceService by hand."""
    trained(world)
    edited = world.double.get("InferenceService", "orders")
    edited["spec"]["predictor"]["model"]["args"] = ["--model-dir=/tidemill/serving/orders/7"]
    world.double.put(edited)
    world.reconcile()
    assert world.model_folder() == "1"


def test_a_child_that_was_deleted_comes_back(world: World) -> None:
    """Both kinds."""
    trained(world)
    world.double.delete("InferenceService", "orders")
    world.double.delete("CronJob", "orders-monitor")
    world.reconcile()
    assert world.double.get("InferenceService", "orders") is not None
    assert world.double.get("CronJob", "orders-monitor") is not None


def test_a_cluster_without_kserve_is_told_what_to_install(world: World) -> None:
    """Training goes on; serving follows when KServe is there."""
    world.double.withdraw("InferenceService")
    world.apply()
    world.promote("1")
    world.reconcile()
    _, reason, message = world.condition("Serving")
    assert reason == "KServeMissing"
    assert "install KServe" in message
    world.double.serve("InferenceService")
    world.restart()
    world.reconcile()
    assert world.condition("Serving")[1] != "KServeMissing"
    world.reconcile()
    assert world.model_folder() == "1"


def test_a_kubeflow_that_is_away_stops_training_but_not_serving(world: World) -> None:
    """And everything follows when it is back."""
    world.kubeflow.fail("GET", "/apis", 503, times=100)
    world.apply()
    world.serve("1")
    assert world.condition("Compiled")[:2] == ("Unknown", "KubeflowUnreachable")
    assert world.model_folder() == "1"
    world.kubeflow.heal()
    assert world.reconcile().training.name


def test_a_pipeline_deleted_by_hand_is_uploaded_again(world: World) -> None:
    """Kubeflow answers 404 to its id, and the next look makes a new one."""
    trained(world)
    world.kubeflow.pipelines.clear()
    world.kubeflow.versions.clear()
    world.apply(objective_manifest(propensity={"event": "order", "within": "14d"}))
    world.reconcile(times=2)
    assert len(world.kubeflow.versions) == 1
    assert len(world.kubeflow.runs) == 2


def test_a_server_that_refuses_a_child_is_quoted(world: World) -> None:
    """A webhook's objection belongs into the status, not into a log."""
    world.apply()
    world.promote("1")
    world.double.check("InferenceService", lambda _: {"spec": "no room for it"})
    assert not world.operator.reconcile("orders").is_settled
    assert "no room for it" in world.condition("Serving")[2]
    assert world.status().phase is Phase.ROLLING_OUT


def test_a_candidate_that_is_never_admitted_is_rolled_back(world: World) -> None:
    """The clock of its rollout runs on while the server refuses it."""
    trained(world)
    world.promote("2")

    def only_the_first(found: dict[str, Any]) -> dict[str, str]:
        folder = found["spec"]["predictor"]["model"]["args"][0]
        return {} if folder.endswith("/1") else {"spec": "not this one"}

    world.double.check("InferenceService", only_the_first)
    world.reconcile()
    world.later(minutes=11)
    world.reconcile()
    assert world.status().serving.rejected == "2"
    assert world.model_folder() == "1"


def test_a_missing_runtime_is_said_with_the_command_that_makes_it(world: World) -> None:
    """KServe came after this release."""
    world.double.delete("ClusterServingRuntime", "tidemill-tidemill")
    world.apply()
    world.promote("1")
    world.reconcile()
    assert world.condition("Serving")[1] == "RuntimeMissing"
    assert "helm upgrade" in world.condition("Serving")[2]


def test_a_rolled_back_champion_can_be_tried_again_by_hand(world: World) -> None:
    """By the annotation, once the cause is mended."""
    trained(world)
    world.promote("2")
    world.reconcile()
    world.later(minutes=11)
    world.reconcile()
    assert world.status().serving.rejected == "2"
    found = world.double.get("Objective", "orders")
    found["metadata"]["annotations"] = {"tidemill.dev/rollout": "again"}
    world.double.put(found)
    world.reconcile()
    assert world.status().serving.candidate == "2"


def test_a_kubeflow_that_hangs_keeps_no_champion_waiting(world: World) -> None:
    """Serving comes first, and a server that was away is left in peace for a while."""
    world.apply()
    world.promote("1")
    world.kubeflow._server.shutdown()
    world.kubeflow._server.server_close()
    world.reconcile()
    assert world.model_folder() == "1"
    assert world.condition("Compiled")[1] == "KubeflowUnreachable"


def test_a_registry_that_is_away_takes_nothing_down(world: World) -> None:
    """No champion known is not the same as no champion."""
    trained(world)
    world.models.is_away = True
    outcome = world.operator.reconcile("orders")
    assert not outcome.is_settled
    assert world.condition("Trained")[:2] == ("Unknown", "RegistryUnreachable")
    assert world.model_folder() == "1"
    assert world.status().modelVersion == "1"


def test_a_refusal_for_want_of_data_is_said_and_asked_again(world: World) -> None:
    """A day later, once."""
    world.apply()
    world.reconcile()
    world.record("not_ready", "12 positives, 50 are needed")
    world.kubeflow.finish(world.status().training.name, "FAILED", error="step failed")
    assert world.reconcile().phase is Phase.REFUSED
    assert "12 positives" in world.condition("Trained")[2]
    world.later(hours=25)
    world.reconcile(times=3)
    assert len(world.kubeflow.runs) == 2


def test_a_failed_run_says_why_and_how_to_try_again(world: World) -> None:
    """In Kubeflow's words, when the steps could record nothing."""
    world.apply()
    name = world.reconcile().training.name
    world.kubeflow.finish(name, "FAILED", error="OOMKilled", step="train")
    assert world.reconcile().phase is Phase.FAILED
    _, reason, message = world.condition("Trained")
    assert reason == "RunFailed"
    assert "OOMKilled" in message
    assert "tidemill train orders" in message


def test_the_outcome_of_a_scheduled_run_is_heard(world: World) -> None:
    """Kubeflow starts those itself."""
    trained(world)
    world.later(days=1)
    world.record("refused", "not better than the champion")
    world.reconcile()
    assert "not better than the champion" in world.condition("Trained")[2]


def test_the_monitor_gets_its_retraining_once(world: World) -> None:
    """With the reason, and the cooldown after it."""
    trained(world)
    world.later(hours=1)
    world.say(verdict(world))
    world.reconcile(times=3)
    assert [run["display_name"] for run in world.kubeflow.runs][1:] == [
        world.status().training.name
    ]
    reasons = world.kubeflow.runs[-1]["runtime_config"]["parameters"]["reason"]
    assert reasons == "monitor: AUC fell"
    world.kubeflow.finish(world.status().training.name)
    world.later(hours=2)
    world.say(verdict(world))
    world.reconcile(times=3)
    assert len(world.kubeflow.runs) == 2


def test_a_verdict_is_in_the_status(world: World) -> None:
    """In the column, and as a condition with its sentence."""
    trained(world)
    world.say(verdict(world, retrain=False))
    assert world.reconcile().drift == "watch"
    assert world.condition("Monitored")[1:] == ("Act", "AUC fell; AUC fell")


def test_a_monitor_that_failed_keeps_the_verdict_before(world: World) -> None:
    """And says so."""
    trained(world)
    world.say(verdict(world, "ok", retrain=False))
    world.reconcile()
    world.later(hours=1)
    world.say("error: the volume is full", exit_code=1)
    assert world.reconcile().monitoring.status == "ok"
    assert world.condition("Monitored")[:2] == ("False", "MonitorFailed")


def test_a_champion_that_cannot_start_is_rolled_back(world: World) -> None:
    """After the policy's minutes; the status says why, and it is not tried again."""
    trained(world)
    world.promote("2")
    world.reconcile()
    assert world.model_folder() == "2"
    world.add_pod("2", reason="CrashLoopBackOff", message="no model bundle")
    world.later(minutes=11)
    world.reconcile()
    assert world.model_folder() == "1"
    assert world.status().phase is Phase.DEGRADED
    assert "CrashLoopBackOff" in world.condition("Degraded")[2]
    world.reconcile(times=2)
    assert world.model_folder() == "1"


def test_news_becomes_events(world: World) -> None:
    """Each once, for `kubectl describe`."""
    trained(world)
    world.reconcile(times=3)
    reasons = [event["reason"] for event in world.double.list("Event")]
    assert reasons.count("RolloutStarted") == reasons.count("RolledOut") == 1
    assert reasons.count("Promoted") == 1


def test_an_event_that_cannot_be_posted_changes_nothing_else(world: World) -> None:
    """Events are for people."""
    world.double.fail("POST", "/events", 403, times=10)
    world.apply()
    assert world.reconcile().phase is Phase.TRAINING
