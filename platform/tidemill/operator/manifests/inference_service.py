"""The InferenceService of an Objective (KServe 0.17 and later)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidemill.objective import Objective
from tidemill.objective.schema import Replicas
from tidemill.operator.capabilities import Capabilities, Mode
from tidemill.operator.manifests.common import HOME, child_metadata, child_name
from tidemill.operator.settings import OperatorSettings

MODE_ANNOTATION = "serving.kserve.io/deploymentMode"
_GRACE_SECONDS = 45
"""A stopping server tells balancers and ends what it has begun: 36 s at most."""
_LONGEST_NAME = 50
"""KServe adds '-predictor' and, for a canary, its name to names of at most 63 characters."""


@dataclass(frozen=True)
class Traffic:
    """Which versions take requests."""

    stable: str
    canary: str = ""
    percent: int = 0
    """Share of the canary."""


def service_name(objective: str) -> str:
    """Name of the InferenceService, which the endpoint's URL carries."""
    return child_name(objective, _LONGEST_NAME)


def splits_traffic(mode: Mode, replicas: Replicas, can: Capabilities) -> bool:
    """Whether a canary can take a share of the traffic.

    In Standard mode KServe demands fixed replicas for that.
    """
    return mode == "Knative" or (can.standard_canary and replicas.min == replicas.max)


def inference_service(
    owner: dict[str, Any],
    objective: Objective,
    traffic: Traffic,
    mode: Mode,
    can: Capabilities,
    settings: OperatorSettings,
) -> dict[str, Any]:
    """The manifest. No storageUri: the shared volume holds every promoted bundle already, so a
    server needs no download before it starts.
    """
    replicas = objective.spec.serving.replicas
    metadata = child_metadata(owner, service_name(objective.name), "serving")
    metadata["annotations"] = {MODE_ANNOTATION: mode}
    spec: dict[str, Any] = {"predictor": _predictor(objective, traffic.stable, settings)}
    if mode == "Knative":
        _scale_by_knative(spec["predictor"], replicas, settings)
        if traffic.canary:
            spec["predictor"]["model"] = _model(objective, traffic.canary, settings)
            spec["predictor"]["canaryTrafficPercent"] = traffic.percent
    else:
        metadata["annotations"]["serving.kserve.io/autoscalerClass"] = _scale_by_pods(
            spec["predictor"], replicas, can, settings, objective.name
        )
        # Knative decides this itself, and refuses the field.
        spec["predictor"]["terminationGracePeriodSeconds"] = _GRACE_SECONDS
        if traffic.canary:
            spec["canary"] = [_standard_canary(objective, traffic, settings)]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": spec,
    }


def _predictor(objective: Objective, version: str, settings: OperatorSettings) -> dict[str, Any]:
    predictor: dict[str, Any] = {
        "serviceAccountName": settings.serving.serviceAccount,
        "model": _model(objective, version, settings),
    }
    if settings.serving.imagePullSecrets:
        secrets = settings.serving.imagePullSecrets
        predictor["imagePullSecrets"] = [{"name": name} for name in secrets]
    return predictor


def _model(objective: Objective, version: str, settings: OperatorSettings) -> dict[str, Any]:
    """KServe appends these arguments to those of the runtime's container."""
    return {
        "modelFormat": {"name": "tidemill"},
        "runtime": settings.runtime,
        "args": [
            f"--model-dir={HOME}/serving/{objective.name}/{version}",
            f"--model-name={objective.name}",
            f"--index={objective.spec.serving.index}",
        ],
    }


def _standard_canary(
    objective: Objective, traffic: Traffic, settings: OperatorSettings
) -> dict[str, Any]:
    return {
        "trafficPercent": traffic.percent,
        "predictor": {
            "name": f"v{traffic.canary}",
            "minReplicas": 1,
            "model": _model(objective, traffic.canary, settings),
        },
    }


def _scale_by_knative(
    predictor: dict[str, Any], replicas: Replicas, settings: OperatorSettings
) -> None:
    predictor["minReplicas"] = replicas.min
    predictor["maxReplicas"] = replicas.max
    predictor["scaleMetric"] = "rps"
    predictor["scaleTarget"] = settings.serving.requestsPerSecond


def _scale_by_pods(
    predictor: dict[str, Any],
    replicas: Replicas,
    can: Capabilities,
    settings: OperatorSettings,
    objective: str,
) -> str:
    """Set the bounds and the metric; returns KServe's class of autoscaler.

    Without one, `minReplicas` is how many there are. It is never 0: the server itself counts the
    requests, so without one nobody would see the request that should wake it.
    """
    predictor["minReplicas"] = max(1, replicas.min)
    if replicas.min == replicas.max:
        return "none"
    predictor["maxReplicas"] = replicas.max
    if can.keda and settings.prometheus:
        predictor["autoScaling"] = {"metrics": [_request_metric(objective, settings)]}
        return "keda"
    predictor["scaleMetric"] = "cpu"
    predictor["scaleTarget"] = settings.serving.cpuPercent
    return "hpa"


def _request_metric(objective: str, settings: OperatorSettings) -> dict[str, Any]:
    """KEDA divides the query's answer by the target, so the target is one replica's share."""
    chosen = f'namespace="{settings.namespace}",model="{objective}"'
    return {
        "type": "External",
        "external": {
            "metric": {
                "backend": "prometheus",
                "serverAddress": settings.prometheus,
                "query": f"sum(rate(tidemill_requests_total{{{chosen}}}[1m]))",
            },
            "target": {"type": "Value", "value": str(settings.serving.requestsPerSecond)},
        },
    }
