"""What is created for an Objective, by the rules of KServe and Kubernetes."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kubernetes_validate import validate

from tidemill.objective import Objective
from tidemill.operator.capabilities import Capabilities, Mode, find_capabilities
from tidemill.operator.manifests.common import child_name, is_as_declared, signed
from tidemill.operator.manifests.inference_service import (
    Traffic,
    inference_service,
    splits_traffic,
)
from tidemill.operator.manifests.monitor import monitor_cron_job, monitor_name
from tidemill.operator.settings import OperatorSettings

EVERYTHING = Capabilities(kserve=True, knative=True, keda=True, standard_canary=True)


def settings(**changes: Any) -> OperatorSettings:
    facts = {
        "namespace": "ml",
        "name": "tidemill",
        "runtime": "ml-tidemill",
        "homeClaim": "home",
        "environment": {"configMap": "environment", "secret": "passwords"},
        "mlflow": "http://mlflow",
        "kubeflow": {"endpoint": "http://kfp"},
        "pipeline": {"image": "pipelines:1"},
        "serving": {"serviceAccount": "serving", "imagePullSecrets": ["pull"]},
        "monitoring": {
            "image": "monitoring:1",
            "serviceAccount": "monitoring",
            "resources": {"requests": {"cpu": "200m"}},
        },
    }
    return OperatorSettings.model_validate({**facts, **changes})


def objective(low: int = 1, high: int = 4, name: str = "orders") -> Objective:
    return Objective.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": name},
            "spec": {
                "propensity": {"event": "order", "within": "7d"},
                "serving": {"replicas": {"min": low, "max": high}},
                "monitoring": {"schedule": "0 * * * *"},
            },
        }
    )


def owner(name: str = "orders") -> dict[str, Any]:
    return {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "Objective",
        "metadata": {"name": name, "namespace": "ml", "uid": "u-1"},
    }


def service(
    mode: Mode = "Standard",
    can: Capabilities = EVERYTHING,
    traffic: Traffic = Traffic("3"),  # noqa: B008 - a frozen dataclass
    replicas: tuple[int, int] = (1, 4),
    **changes: Any,
) -> dict[str, Any]:
    return inference_service(owner(), objective(*replicas), traffic, mode, can, settings(**changes))


def test_a_server_gets_the_folder_of_its_version() -> None:
    """And no storageUri, so that no init container is needed."""
    model = service()["spec"]["predictor"]["model"]
    folder, name, index = model["args"]
    assert (folder, name) == ("--model-dir=/tidemill/serving/orders/3", "--model-name=orders")
    assert index == "--index=exact"
    assert (model["runtime"], "storageUri" in model) == ("ml-tidemill", False)


def test_children_go_with_their_objective() -> None:
    """Owner references, so that Kubernetes collects them."""
    for child in (service(), monitor_cron_job(owner(), objective(), settings())):
        (reference,) = child["metadata"]["ownerReferences"]
        assert (reference["uid"], reference["controller"]) == ("u-1", True)
        assert child["metadata"]["labels"]["tidemill.dev/objective"] == "orders"


def test_pods_scale_on_requests_where_keda_and_prometheus_are() -> None:
    """KServe refuses scaleMetric with KEDA, and reads `value`."""
    made = service(prometheus="http://prometheus")
    (metric,) = made["spec"]["predictor"]["autoScaling"]["metrics"]
    assert made["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "keda"
    assert metric["external"]["target"] == {"type": "Value", "value": "200"}
    assert 'model="orders"' in metric["external"]["metric"]["query"]
    assert "scaleMetric" not in made["spec"]["predictor"]


@pytest.mark.parametrize(
    ("can", "prometheus"),
    [(EVERYTHING, ""), (Capabilities(kserve=True), "http://prometheus")],
)
def test_pods_scale_on_cpu_where_either_is_missing(can: Capabilities, prometheus: str) -> None:
    """The metrics server is in nearly every cluster."""
    made = service(can=can, prometheus=prometheus)
    assert made["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "hpa"
    assert made["spec"]["predictor"]["scaleMetric"] == "cpu"


def test_only_knative_scales_to_nothing() -> None:
    """Elsewhere the pods count the requests, and none would be there to see the first."""
    asked = (0, 4)
    least = [
        service("Knative", replicas=asked),
        service("Standard", replicas=asked, prometheus="http://p"),
        service("Standard", Capabilities(kserve=True), replicas=asked),
    ]
    assert [made["spec"]["predictor"]["minReplicas"] for made in least] == [0, 1, 1]


def test_fixed_replicas_need_no_autoscaler() -> None:
    """KServe wants none beside a canary in Standard mode."""
    made = service(replicas=(2, 2))
    assert made["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "none"


def test_a_knative_canary_is_the_newest_revision_with_its_share() -> None:
    """Knative keeps the revision before."""
    predictor = service("Knative", traffic=Traffic("3", "4", 10))["spec"]["predictor"]
    assert predictor["canaryTrafficPercent"] == 10
    assert predictor["model"]["args"][0].endswith("/4")


def test_a_standard_canary_stands_beside_the_stable_predictor() -> None:
    """KServe 0.20: a named list."""
    spec = service(traffic=Traffic("3", "4", 10), replicas=(2, 2))["spec"]
    (canary,) = spec["canary"]
    assert spec["predictor"]["model"]["args"][0].endswith("/3")
    assert (canary["trafficPercent"], canary["predictor"]["name"]) == (10, "v4")


def test_traffic_is_split_only_where_the_cluster_can() -> None:
    """Everywhere else a rolling update."""
    fixed, elastic = objective(2, 2).spec.serving.replicas, objective().spec.serving.replicas
    assert splits_traffic("Knative", elastic, EVERYTHING)
    assert splits_traffic("Standard", fixed, EVERYTHING)
    assert not splits_traffic("Standard", elastic, EVERYTHING)
    assert not splits_traffic("Standard", fixed, Capabilities(kserve=True))


def test_a_standard_canary_needs_the_field_and_the_gateway() -> None:
    """Both are looked up, neither is assumed."""
    fields = {"spec": {"properties": {"predictor": {}, "canary": {}}}}
    version = {"name": "v1beta1", "schema": {"openAPIV3Schema": {"properties": fields}}}
    crd = {"spec": {"versions": [version]}}
    groups = {"serving.kserve.io", "gateway.networking.k8s.io"}
    assert find_capabilities(groups, crd, runtime=True).standard_canary
    assert not find_capabilities({"serving.kserve.io"}, crd, runtime=True).standard_canary
    del fields["spec"]["properties"]["canary"]
    assert not find_capabilities(groups, crd, runtime=True).standard_canary


@pytest.mark.parametrize(
    "made",
    [
        service("Knative", traffic=Traffic("3", "4", 10)),
        service("Standard", traffic=Traffic("3", "4", 10), replicas=(2, 2)),
        service("Standard", prometheus="http://prometheus"),
        service("Standard", Capabilities(kserve=True)),
    ],
)
def test_an_inference_service_has_only_fields_that_kserve_knows(made: dict[str, Any]) -> None:
    """By the models of KServe's own SDK; its API server refuses unknown fields."""
    assert unknown_fields(made["spec"], "V1beta1InferenceServiceSpec") == []


@pytest.mark.parametrize("version", ["1.34", "1.36", "1.37"])
def test_a_monitor_is_a_valid_cron_job(version: str) -> None:
    """Strictly, in three versions of Kubernetes."""
    validate(monitor_cron_job(owner(), objective(), settings()), version, strict=True)


def test_a_monitor_may_do_nothing_but_its_work() -> None:
    """The restricted Pod Security Standard, and no token."""
    job = monitor_cron_job(owner(), objective(), settings())["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert not pod["automountServiceAccountToken"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_monitor_looks_at_the_real_now() -> None:
    """A log that nobody fills any more must not look fine."""
    pod = monitor_cron_job(owner(), objective(), settings())["spec"]["jobTemplate"]["spec"]
    (container,) = pod["template"]["spec"]["containers"]
    assert container["args"][:3] == ["monitor", "orders", "--at=now"]
    assert container["args"][-1] == f"--termination-log={container['terminationMessagePath']}"


def test_long_names_fit_and_stay_apart() -> None:
    """A CronJob's name has at most 52 characters, an objective's 63."""
    first, second = "a" * 62 + "b", "a" * 62 + "c"
    assert len(monitor_name(first)) == 52
    assert monitor_name(first) != monitor_name(second)
    assert child_name("orders", 52, "-monitor") == "orders-monitor"


def test_a_quantity_is_the_same_in_any_spelling() -> None:
    """A server writes 1000m as 1 and 1024Mi as 1Gi."""
    assert is_as_declared({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1024Mi"})
    assert not is_as_declared({"cpu": "2"}, {"cpu": "1000m"})


def test_what_is_declared_no_more_changes_the_digest() -> None:
    """Or a limit that was taken out of the settings would stay for ever."""
    full = signed({"metadata": {"name": "a"}, "spec": {"limit": 1}})
    less = signed({"metadata": {"name": "a"}, "spec": {}})
    assert is_as_declared(full, full)
    assert not is_as_declared(full, less)


def test_defaults_of_the_server_are_no_drift_but_changes_are() -> None:
    """Or the operator and the server would write in turns for ever."""
    declared = {"a": 1, "list": [{"name": "x"}]}
    live = {"a": 1, "list": [{"name": "x", "port": 80}], "status": {}}
    assert is_as_declared(live, declared)
    assert not is_as_declared({**live, "a": 2}, declared)
    assert not is_as_declared({**live, "list": []}, declared)


def unknown_fields(value: Any, kind: str, path: str = "spec") -> list[str]:
    """Paths in `value` that the SDK's class `kind` does not have."""
    if inner := re.fullmatch(r"list\[(\w+)\]", kind):
        return [bad for item in value for bad in unknown_fields(item, inner[1], path)]
    types = sdk_fields(kind)
    if types is None or not isinstance(value, dict):
        return []
    found = []
    for key, item in value.items():
        if key not in types:
            found.append(f"{path}.{key}")
        else:
            found += unknown_fields(item, types[key], f"{path}.{key}")
    return found


@cache
def sdk_fields(kind: str) -> dict[str, str] | None:
    """JSON name to type of a class of KServe's SDK. Read, not imported: importing kserve takes
    seconds, and it registers the same protobuf names as our server.
    """
    spec = importlib.util.find_spec("kserve")
    assert spec is not None
    assert spec.origin is not None
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.replace("V1beta1", "v1beta1_", 1)).lower()
    path = Path(spec.origin).parent / "models" / f"{stem}.py"
    if not path.exists():
        return None
    tables = {
        target.id: ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name)
        if target.id in {"openapi_types", "attribute_map"}
    }
    types, names = tables["openapi_types"], tables["attribute_map"]
    return {names[attribute]: found for attribute, found in types.items()}
