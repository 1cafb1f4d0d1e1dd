"""How the monitor of a cluster learns whom to tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes_validate import validate

from tidemill.objective import Objective
from tidemill.objective.notifying import Receiver, read_receivers
from tidemill.operator.manifests.monitor import monitor_cron_job
from tidemill.operator.settings import OperatorSettings

SLACK = {"format": "slack", "url_from": {"secret": {"name": "webhooks", "key": "slack"}}}
OWN = {"format": "json", "url_from": {"env": "PAGER_URL"}}


@pytest.fixture
def environment() -> Any:
    """`environment(receiver, ...)`: the variables of the monitor's container, by name."""
    settings = OperatorSettings.model_validate(
        {
            "namespace": "ml",
            "name": "tidemill",
            "runtime": "ml-tidemill",
            "homeClaim": "home",
            "environment": {"configMap": "environment"},
            "mlflow": "http://mlflow",
            "kubeflow": {"endpoint": "http://kfp"},
            "pipeline": {"image": "pipelines:1"},
            "serving": {"serviceAccount": "serving"},
            "monitoring": {"image": "monitoring:1", "serviceAccount": "monitoring"},
        }
    )
    owner = {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "Objective",
        "metadata": {"name": "orders", "namespace": "ml", "uid": "u-1"},
    }

    def make(*receivers: dict[str, Any]) -> dict[str, Any]:
        document = {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": "orders"},
            "spec": {
                "propensity": {"event": "order", "within": "7d"},
                "monitoring": {"schedule": "0 * * * *", "notify": list(receivers)},
            },
        }
        job = monitor_cron_job(owner, Objective.model_validate(document), settings)
        validate(job, "1.30", strict=True)
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        return {each["name"]: each for each in pod["containers"][0]["env"]}

    return make


def test_the_url_comes_from_the_secret_into_the_variable_the_monitor_reads(
    environment: Any,
) -> None:
    """The manifest holds the reference alone; a missing Secret stops no monitor."""
    found = environment(SLACK, SLACK)
    variable = Receiver.model_validate(SLACK).url_from.variable
    reference = {"name": "webhooks", "key": "slack", "optional": True}
    assert found[variable]["valueFrom"] == {"secretKeyRef": reference}
    assert len(found) == 2


def test_receivers_are_those_declared_now(environment: Any) -> None:
    """The home keeps the objective of the last training; none declared now means none."""
    assert read_receivers(environment(SLACK, OWN)["TIDEMILL_NOTIFY"]["value"]) == [
        Receiver.model_validate(each) for each in (SLACK, OWN)
    ]
    assert json.loads(environment()["TIDEMILL_NOTIFY"]["value"]) == []


def test_a_variable_of_the_installation_needs_nothing_more(environment: Any) -> None:
    """It is in the pod's environment already."""
    assert list(environment(OWN)) == ["TIDEMILL_NOTIFY"]
