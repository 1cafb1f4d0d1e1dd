"""An Objective that is an alert gets its monitor, and nothing else.

Against the API double and the Kubeflow stub.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from operator_world import NAMESPACE, World, objective_manifest

from tidemill.cluster import KubernetesApi
from tidemill.cluster.predictions import predict_on_cluster
from tidemill.cluster.training import request_training
from tidemill.errors import ClusterError
from tidemill.objective import Objective
from tidemill.objective.alerting import OBJECTIVE_VARIABLE
from tidemill.objective.status import Phase
from tidemill.operator.conditions import Finding, find_alert_phase


def alert_manifest(**monitoring: Any) -> dict[str, Any]:
    manifest = objective_manifest()
    alert = {"event": "order", "where": {"property.channel": "$(HOME)"}}
    return {**manifest, "spec": {"alert": alert, "monitoring": monitoring}}


def test_an_alert_gets_a_cron_job_and_no_model(world: World) -> None:
    """No run, no schedule, no pipeline, no endpoint; the phase says that it is watched."""
    world.apply(alert_manifest(schedule="0 6 * * *"))
    status = world.reconcile(times=2)
    (job,) = world.double.list("CronJob")
    assert job["spec"]["schedule"] == "0 6 * * *"
    assert world.double.list("InferenceService") == []
    assert world.kubeflow.runs + world.kubeflow.recurring_runs + world.kubeflow.versions == []
    assert (status.phase, status.type) == (Phase.WATCHING, "alert")
    assert [condition.type for condition in status.conditions] == ["Monitored"]


def test_the_monitor_is_told_what_to_watch(world: World) -> None:
    """No training has brought the alert into the home; the kubelet finds no variable in it."""
    world.apply(alert_manifest(schedule="0 6 * * *"))
    world.reconcile()
    (job,) = world.double.list("CronJob")
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (given,) = [each["value"] for each in container["env"] if each["name"] == OBJECTIVE_VARIABLE]
    assert "$$(HOME)" in given
    declared = Objective.model_validate_json(given.replace("$$", "$"))
    assert declared.name == "orders"
    assert declared.spec.alert is not None
    assert declared.spec.alert.where == {"property.channel": "$(HOME)"}


def test_an_alert_without_a_schedule_waits_for_one(world: World) -> None:
    """The condition says what is missing."""
    world.apply(alert_manifest())
    assert world.reconcile().phase is Phase.PENDING
    assert world.condition("Monitored")[:2] == ("False", "NoSchedule")
    assert world.double.list("CronJob") == []


def test_a_model_that_becomes_an_alert_is_retired(world: World) -> None:
    """Its endpoint, its schedule and its running run go; the monitor stays."""
    world.apply()
    world.serve("1")
    world.apply(alert_manifest(schedule="0 6 * * *"))
    status = world.reconcile(times=2)
    assert world.double.list("InferenceService") == []
    assert world.kubeflow.recurring_runs == []
    assert {run["state"] for run in world.kubeflow.runs} == {"CANCELING"}
    assert len(world.double.list("CronJob")) == 1
    assert (status.modelVersion, status.url, status.training.run) == ("", "", "")


def test_an_alert_at_rest_is_left_alone(world: World) -> None:
    """No writes, and Kubeflow is not even asked."""
    world.apply(alert_manifest(schedule="0 6 * * *"))
    world.reconcile(times=2)
    before = len(world.writes())
    world.reconcile(times=3)
    assert len(world.writes()) == before
    assert world.kubeflow.count("GET", "/") == 0


def test_training_and_predicting_are_refused(world: World) -> None:
    """Nobody would ever answer."""
    world.apply(alert_manifest(schedule="0 6 * * *"))
    world.reconcile()
    api = KubernetesApi.connect(None, NAMESPACE)
    with pytest.raises(ClusterError, match="is an alert"):
        request_training(api, "orders")
    with pytest.raises(ClusterError, match="is an alert"):
        predict_on_cluster(api, "orders", ["u1"])


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        ("Ok", Phase.WATCHING),
        ("Act", Phase.WATCHING),
        ("Waiting", Phase.WATCHING),
        ("MonitorFailed", Phase.FAILED),
        ("NoSchedule", Phase.PENDING),
        ("NotApplied", Phase.PENDING),
    ],
)
def test_the_phase_of_an_alert_is_that_of_its_monitor(reason: str, phase: Phase) -> None:
    """It has nothing else."""
    assert find_alert_phase(Finding("Monitored", None, reason, "")) is phase


def test_a_verdict_of_an_alert_is_its_condition(world: World) -> None:
    """Shown like any other."""
    world.apply(alert_manifest(schedule="0 6 * * *"))
    world.reconcile()
    said = {"at": "2026-03-01T06:00:00Z", "status": "act", "drift": "", "sentence": "4 orders"}
    world.double.put(_finished_pod(json.dumps(said)))
    world.reconcile()
    assert world.condition("Monitored")[1] == "Act"
    assert "4 orders" in world.condition("Monitored")[2]


def _finished_pod(message: str) -> dict[str, Any]:
    ended = {"exitCode": 0, "finishedAt": "2026-03-01T06:00:09Z", "message": message}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "orders-monitor-1",
            "namespace": NAMESPACE,
            "labels": {
                "tidemill.dev/objective": "orders",
                "app.kubernetes.io/component": "monitoring",
            },
        },
        "status": {"containerStatuses": [{"name": "monitor", "state": {"terminated": ended}}]},
    }
