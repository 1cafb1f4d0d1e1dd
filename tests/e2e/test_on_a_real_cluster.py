"""The operator against a real Kubernetes, the one that KUBECONFIG points to.

Run with `make test-cluster`. It needs the rights of a cluster's administrator: it makes a namespace
of its own, the CustomResourceDefinition of Objectives if there is none, and a
ClusterServingRuntime, and removes what it made. The operator runs here and not in a pod, so that no
image is needed; MLflow and Kubeflow Pipelines are stubs on this machine. With
TIDEMILL_E2E_SERVING_IMAGE (an image that nodes have) the endpoint must become ready too.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidemill.cluster import KubernetesApi
from tidemill.errors import ClusterError, TidemillError
from tidemill.objective.crd import objective_crd

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
OPERATOR_TESTS = Path(__file__).parents[1] / "operator"
CRD = "objectives.tidemill.dev"
IMAGE = os.environ.get("TIDEMILL_E2E_SERVING_IMAGE", "")
RUNTIME_IMAGE = IMAGE or "registry.k8s.io/pause:3.10"


@dataclass
class Cluster:
    """A namespace on the cluster, with an operator that works in it."""

    api: KubernetesApi
    namespace: str
    mlflow: Any
    kubeflow: Any
    has_kserve: bool

    def objective(self, name: str = "orders", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "propensity": {"event": "order", "within": "7d"},
                "monitoring": {"schedule": "0 * * * *"},
                "serving": {"replicas": {"min": 1, "max": 3}},
                **spec,
            },
        }

    def status(self, name: str = "orders") -> dict[str, Any]:
        found = self.api.get("Objective", name) or {}
        return dict(found.get("status") or {})

    def reason(self, aspect: str, name: str = "orders") -> str:
        conditions = self.status(name).get("conditions", [])
        return next((c["reason"] for c in conditions if c["type"] == aspect), "")


def wait_for(is_so: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def api() -> KubernetesApi:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG is not set: no cluster to test on")
    namespace = f"tidemill-e2e-{secrets.token_hex(3)}"
    found = KubernetesApi.connect(None, namespace)
    try:
        found.groups()
    except TidemillError as error:
        pytest.skip(f"the cluster does not answer: {error}")
    return found


@pytest.fixture(scope="module")
def definition(api: KubernetesApi) -> Iterator[None]:
    """The CustomResourceDefinition of this checkout; removed if it was not there before."""
    before = api.get("CustomResourceDefinition", CRD)
    api.apply(objective_crd())
    wait_for(lambda: "tidemill.dev" in api.groups())
    yield
    if before is None:
        api.delete("CustomResourceDefinition", CRD)


@pytest.fixture(scope="module")
def namespace(api: KubernetesApi, definition: None) -> Iterator[str]:
    """A namespace under the restricted Pod Security Standard."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": api.namespace, "labels": labels}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    yield api.namespace
    for left in api.list("Objective"):
        # A test that failed leaves its Objective, and nobody answers its finalizer any more.
        api.patch("Objective", left["metadata"]["name"], {"metadata": {"finalizers": None}})
    api.delete("Namespace", api.namespace)


@pytest.fixture(scope="module")
def cluster(
    api: KubernetesApi, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    sys.path.insert(0, str(OPERATOR_TESTS))
    from kubeflow_stub import KubeflowStub
    from mlflow_stub import MlflowStub
    from operator_world import operator_settings

    has_kserve = api.get("CustomResourceDefinition", "inferenceservices.serving.kserve.io")
    if has_kserve:
        api.apply(runtime(namespace))
    for account in ("serving", "monitoring"):
        metadata = {"name": account, "namespace": namespace}
        api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    with KubeflowStub() as kubeflow, MlflowStub() as mlflow:
        settings = operator_settings(
            kubeflow.url,
            namespace=namespace,
            mlflow=mlflow.url,
            runtime=namespace,
            resyncSeconds=5,
        )
        folder = tmp_path_factory.mktemp("operator")
        (folder / "operator.yaml").write_text(yaml.safe_dump(settings.model_dump()))
        command = [sys.executable, "-m", "tidemill.cli", "operator"]
        command += ["--config", str(folder / "operator.yaml"), "--host", "127.0.0.1", "--port", "0"]
        with (folder / "log").open("wb") as log:
            operator = subprocess.Popen(command, stderr=log)
        yield Cluster(api, namespace, mlflow, kubeflow, bool(has_kserve))
        operator.terminate()
        assert operator.wait(30) == 0, (folder / "log").read_text()
    if has_kserve:
        api.delete("ClusterServingRuntime", namespace)


def runtime(namespace: str) -> dict[str, Any]:
    """The least that an InferenceService of ours needs; the chart has the real one."""
    container: dict[str, Any] = {
        "name": "kserve-container",
        "image": RUNTIME_IMAGE,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": namespace},
        "spec": {
            "supportedModelFormats": [{"name": "tidemill", "autoSelect": False}],
            "protocolVersions": ["v1", "v2"],
            "containers": [container],
        },
    }


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"churn": {"within": "7d"}}, "exactly one of"),
        ({"propensity": {"event": "order", "within": "soon"}}, "within"),
        ({"serving": {"replicas": {"min": 3, "max": 2}}}, "greater than max"),
        ({"training": {"schedule": "0 3 * *"}}, "schedule"),
        ({"propencity": {}}, "propencity"),
    ],
)
def test_the_api_server_refuses_what_we_refuse(
    cluster: Cluster, spec: dict[str, Any], message: str
) -> None:
    """By schema, CEL and strict fields, with a message that names the fault."""
    with pytest.raises(ClusterError, match=message):
        cluster.api.apply(cluster.objective("bad", **spec))


def test_an_objective_comes_to_life(cluster: Cluster) -> None:
    """A run is started, the status says so, and events tell it."""
    cluster.api.apply(cluster.objective())
    wait_for(lambda: cluster.status().get("phase") == "Training")
    assert len(cluster.kubeflow.runs) == 1
    wait_for(lambda: cluster.api.list("Event"))


def test_a_champion_gets_an_endpoint_and_a_monitor(cluster: Cluster) -> None:
    """As KServe and Kubernetes accept them."""
    if not cluster.has_kserve:
        pytest.skip("the cluster has no KServe")
    cluster.mlflow.champions["orders"] = "1"
    wait_for(lambda: cluster.api.get("InferenceService", "orders"))
    found = cluster.api.get("InferenceService", "orders")
    assert found is not None
    arguments = found["spec"]["predictor"]["model"]["args"]
    assert arguments[0] == "--model-dir=/tidemill/serving/orders/1"
    wait_for(lambda: cluster.status()["serving"]["candidate"] == "1")


def test_kserve_makes_a_deployment_of_it(cluster: Cluster) -> None:
    """With our arguments behind those of the runtime."""
    if not cluster.has_kserve:
        pytest.skip("the cluster has no KServe")
    wait_for(lambda: cluster.api.get("Deployment", "orders-predictor"))
    deployment = cluster.api.get("Deployment", "orders-predictor")
    assert deployment is not None
    (container, *_) = deployment["spec"]["template"]["spec"]["containers"]
    assert "--model-name=orders" in container["args"]


def test_a_served_champion_is_reported_and_watched(cluster: Cluster) -> None:
    """Needs an image that serves."""
    if not (cluster.has_kserve and IMAGE):
        pytest.skip("TIDEMILL_E2E_SERVING_IMAGE is not set: no image that can become ready")
    wait_for(lambda: cluster.status().get("phase") == "Serving", 300)
    assert cluster.api.get("CronJob", "orders-monitor") is not None


def test_a_child_deleted_by_hand_comes_back(cluster: Cluster) -> None:
    """Within one round."""
    if not cluster.has_kserve:
        pytest.skip("the cluster has no KServe")
    before = cluster.api.get("InferenceService", "orders")
    assert before is not None
    cluster.api.delete("InferenceService", "orders")

    def is_new() -> bool:
        now = cluster.api.get("InferenceService", "orders")
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    wait_for(is_new)


def test_without_kserve_the_status_says_so(cluster: Cluster) -> None:
    """And what to install."""
    if cluster.has_kserve:
        pytest.skip("the cluster has KServe")
    wait_for(lambda: cluster.reason("Serving") == "KServeMissing")


def test_a_run_on_demand_is_started_once(cluster: Cluster) -> None:
    """By the annotation."""
    cluster.kubeflow.finish(cluster.status()["training"]["name"], "FAILED", error="no data")
    wait_for(lambda: cluster.status()["training"]["result"] == "failed")
    annotations = {"tidemill.dev/train": "again"}
    cluster.api.patch("Objective", "orders", {"metadata": {"annotations": annotations}})
    wait_for(lambda: cluster.status()["training"]["request"] == "again")
    assert len(cluster.kubeflow.runs) == 2


def test_deleting_leaves_nothing(cluster: Cluster) -> None:
    """The finalizer clears Kubeflow, the garbage collector the children."""
    cluster.api.delete("Objective", "orders")
    wait_for(lambda: cluster.api.get("Objective", "orders") is None)
    assert {run["state"] for run in cluster.kubeflow.runs} <= {"FAILED", "CANCELING"}
    for kind in ("InferenceService", "CronJob", "Deployment"):
        if kind != "InferenceService" or cluster.has_kserve:
            wait_for(lambda kind=kind: not cluster.api.list(kind))
