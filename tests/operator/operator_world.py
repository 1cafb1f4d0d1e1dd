"""A namespace to operate in: the API double, the Kubeflow stub, a registry of a few facts.

The controllers of Kubernetes and KServe are played by hand: `start_pods` is what a Deployment would
do, `report` is what KServe would say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.cluster import KubernetesApi
from tidemill.objective.status import ObjectiveStatus
from tidemill.operator.kubeflow import Kubeflow
from tidemill.operator.model_registry import Champion, ModelRegistryError
from tidemill.operator.reconcile import Reconciler
from tidemill.operator.settings import OperatorSettings
from tidemill.outcome import TrainingOutcome

NAMESPACE = "tidemill"


def operator_settings(kubeflow: str, **changes: Any) -> OperatorSettings:
    facts = {
        "namespace": NAMESPACE,
        "name": "tidemill",
        "runtime": "tidemill-tidemill",
        "homeClaim": "tidemill-home",
        "environment": {"configMap": "tidemill-environment", "secret": "tidemill-credentials"},
        "mlflow": "http://127.0.0.1:1",
        "kubeflow": {"endpoint": kubeflow},
        "pipeline": {"image": "pipelines:1"},
        "serving": {"serviceAccount": "serving"},
        "monitoring": {"image": "monitoring:1", "serviceAccount": "monitoring"},
    }
    return OperatorSettings.model_validate({**facts, **changes})


def objective_manifest(name: str = "orders", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "Objective",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "propensity": {"event": "order", "within": "7d"},
            "training": {"schedule": "0 3 * * 1"},
            "monitoring": {"schedule": "0 * * * *"},
            **spec,
        },
    }


def install_runtime(double: Any) -> None:
    """What the chart brings."""
    runtime = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime"}
    double.put({**runtime, "metadata": {"name": "tidemill-tidemill"}})


@dataclass
class KnownModels:
    """What MLflow would say. Stands in for the registry, whose adapter has tests of its own."""

    champions: dict[str, Champion] = field(default_factory=dict)
    outcomes: dict[str, TrainingOutcome] = field(default_factory=dict)
    is_away: bool = False

    def champion(self, objective: str) -> Champion | None:
        self._answer()
        return self.champions.get(objective)

    def outcome(self, objective: str) -> TrainingOutcome | None:
        self._answer()
        return self.outcomes.get(objective)

    def _answer(self) -> None:
        if self.is_away:
            raise ModelRegistryError("MLflow at http://mlflow:5000 does not answer")


@dataclass
class _DeadAfter:
    """A fault that lets some requests through."""

    left: int
    status: int = 500
    message: str = "the operator is dead from here on"
    times: int = 0

    def covers(self, _: Any) -> bool:
        self.left -= 1
        return self.left < 0


class World:
    """One namespace, an operator, and a clock that is set by hand."""

    def __init__(self, double: Any, kubeflow: Any, **changes: Any) -> None:
        self.double = double
        self.kubeflow = kubeflow
        self.models = KnownModels()
        self.now = datetime.now(UTC).replace(microsecond=0)
        install_runtime(double)
        self._changes = changes
        self.restart()

    def restart(self) -> None:
        """A new operator process: nothing in memory."""
        settings = operator_settings(self.kubeflow.url, **self._changes)
        api = KubernetesApi.connect(None, NAMESPACE)
        self.operator = Reconciler(
            settings,
            api,
            Kubeflow(self.kubeflow.url, NAMESPACE),
            self.models,  # type: ignore[arg-type]  # stands in for the registry
            lambda: self.now,
        )

    def die_after(self, requests: int) -> None:
        """Let the API server answer so many requests more, and then fail until it is healed."""
        self.double._edge.faults.append(_DeadAfter(requests))

    def apply(self, manifest: dict[str, Any] | None = None) -> None:
        self.double.put(manifest or objective_manifest())

    def reconcile(self, name: str = "orders", times: int = 1) -> ObjectiveStatus:
        for _ in range(times):
            self.operator.reconcile(name)
        return self.status(name)

    def status(self, name: str = "orders") -> ObjectiveStatus:
        found = self.double.get("Objective", name) or {}
        return ObjectiveStatus.model_validate(found.get("status") or {})

    def condition(self, aspect: str, name: str = "orders") -> tuple[str, str, str]:
        """Status, reason and message."""
        (found,) = [c for c in self.status(name).conditions if c.type == aspect]
        return found.status, found.reason, found.message

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def promote(self, version: str, name: str = "orders", quality: str = "AUC 0.900") -> None:
        self.models.champions[name] = Champion(version, quality, "better", "better")

    def record(self, outcome: Any, reason: str, name: str = "orders") -> None:
        self.models.outcomes[name] = TrainingOutcome(self.now, outcome, reason, None)

    def start_pods(self, version: str, name: str = "orders", **waiting: str) -> None:
        """The pods of `version` instead of all others; not ready while they wait for something."""
        for pod in self.double.list("Pod", NAMESPACE):
            self.double.delete("Pod", pod["metadata"]["name"], NAMESPACE)
        self.add_pod(version, name, **waiting)

    def add_pod(self, version: str, name: str = "orders", **waiting: str) -> None:
        folder = f"--model-dir=/tidemill/serving/{name}/{version}"
        state = {"waiting": waiting} if waiting else {"running": {}}
        self.double.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{name}-{version}",
                    "namespace": NAMESPACE,
                    "labels": {"serving.kserve.io/inferenceservice": name},
                },
                "spec": {"containers": [{"name": "kserve-container", "args": [folder]}]},
                "status": {
                    "conditions": [{"type": "Ready", "status": "False" if waiting else "True"}],
                    "containerStatuses": [{"name": "kserve-container", "state": state}],
                },
            }
        )

    def report(self, ready: bool = True, name: str = "orders") -> None:
        """KServe's view of the endpoint."""
        status = {
            "url": f"http://{name}.example.com",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        }
        self.double.set_status("InferenceService", name, status, NAMESPACE)

    def say(self, verdict: str, exit_code: int = 0, name: str = "orders") -> None:
        """A monitor ends with this message."""
        ended = {
            "exitCode": exit_code,
            "message": verdict,
            "finishedAt": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.double.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{name}-monitor-{self.now:%Y%m%d%H%M%S}",
                    "namespace": NAMESPACE,
                    "labels": {
                        "tidemill.dev/objective": name,
                        "app.kubernetes.io/component": "monitoring",
                    },
                },
                "spec": {"containers": [{"name": "monitor"}]},
                "status": {"containerStatuses": [{"state": {"terminated": ended}}]},
            }
        )

    def serve(self, version: str = "1", name: str = "orders") -> None:
        """Bring an Objective to the point where `version` answers."""
        self.promote(version, name)
        self.reconcile(name)
        self.start_pods(version, name)
        self.report(name=name)
        self.reconcile(name, times=2)

    def model_folder(self, name: str = "orders") -> str:
        """What the InferenceService serves."""
        found = self.double.get("InferenceService", name)
        argument: str = found["spec"]["predictor"]["model"]["args"][0]
        return argument.rsplit("/", 1)[-1]

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of the requests that changed something, as they came."""
        return [request for request in self.double.requests if request[0] != "GET"]
