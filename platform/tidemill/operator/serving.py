"""Keeps the InferenceService of an Objective equal to its champion, carefully."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from tidemill.cluster.api import KubernetesApi
from tidemill.objective import Objective
from tidemill.objective.status import ServingStatus
from tidemill.operator.capabilities import MODES, Capabilities, Mode
from tidemill.operator.conditions import NOT_DEGRADED, Finding
from tidemill.operator.manifests.common import is_as_declared
from tidemill.operator.manifests.inference_service import (
    MODE_ANNOTATION,
    Traffic,
    inference_service,
    service_name,
    splits_traffic,
)
from tidemill.operator.pods import pods_of_version
from tidemill.operator.prometheus import error_rate
from tidemill.operator.rollout import Observed, Step, next_step
from tidemill.operator.settings import OperatorSettings

_POD_LABEL = "serving.kserve.io/inferenceservice"


@dataclass(frozen=True)
class Served:
    """What the endpoint is now."""

    serving: ServingStatus
    url: str
    findings: tuple[Finding, Finding]
    """Serving and Degraded."""
    event: tuple[str, str] | None = None


def pursue_serving(
    api: KubernetesApi,
    settings: OperatorSettings,
    can: Capabilities,
    owner: dict[str, Any],
    objective: Objective,
    serving: ServingStatus,
    champion: str | None,
    now: datetime,
) -> Served:
    """Advance the rollout by one step and put the InferenceService right."""
    if not can.kserve:
        return Served(serving, "", (_KSERVE_MISSING, NOT_DEGRADED))
    name = service_name(objective.name)
    live = api.get("InferenceService", name)
    mode = _mode(settings, can, live)
    is_split = bool(serving.version) and splits_traffic(mode, objective.spec.serving.replicas, can)
    observed = _observe(api, settings, objective.name, serving, mode, live, is_split)
    step = next_step(serving, champion, observed, now, settings.serving.canary, is_split)
    traffic = step.traffic(settings.serving.canary.percent if is_split else 0)
    if traffic is None:
        return Served(step.serving, "", (_NO_MODEL, NOT_DEGRADED))
    live = _put_right(api, settings, can, owner, objective, traffic, mode, live)
    findings = (_serving_finding(step, live, traffic), _degraded_finding(step, live))
    return Served(step.serving, _url(live), findings, step.event)


def _mode(settings: OperatorSettings, can: Capabilities, live: dict[str, Any] | None) -> Mode:
    """The deployment mode of an InferenceService cannot change once it exists."""
    made = {} if live is None else live["metadata"].get("annotations", {})
    if made.get(MODE_ANNOTATION) in MODES:
        return cast(Mode, made[MODE_ANNOTATION])
    if settings.serving.deploymentMode != "Auto":
        return settings.serving.deploymentMode
    return "Knative" if can.knative else "Standard"


def _observe(
    api: KubernetesApi,
    settings: OperatorSettings,
    objective: str,
    serving: ServingStatus,
    mode: Mode,
    live: dict[str, Any] | None,
    is_split: bool,
) -> Observed:
    if not serving.candidate or live is None:
        return Observed()
    pods = api.list("Pod", labels=f"{_POD_LABEL}={service_name(objective)}")
    new = pods_of_version(pods, serving.candidate)
    old = pods_of_version(pods, serving.version) if serving.version and not is_split else None
    has_taken_over = old is None or old.total == 0
    is_ready = 0 < new.ready == new.total and has_taken_over
    return Observed(
        ready=is_ready or (mode == "Knative" and _newest_revision_is_ready(live)),
        problem=new.problem,
        error_rate=error_rate(
            settings.prometheus, settings.namespace, objective, serving.candidate
        ),
    )


def _newest_revision_is_ready(live: dict[str, Any]) -> bool:
    """An idle Knative service has no pods to ask."""
    status = live.get("status", {})
    if status.get("observedGeneration") != live["metadata"].get("generation"):
        return False
    predictor = status.get("components", {}).get("predictor", {})
    created = predictor.get("latestCreatedRevision")
    return created is not None and created == predictor.get("latestReadyRevision")


def _put_right(
    api: KubernetesApi,
    settings: OperatorSettings,
    can: Capabilities,
    owner: dict[str, Any],
    objective: Objective,
    traffic: Traffic,
    mode: Mode,
    live: dict[str, Any] | None,
) -> dict[str, Any]:
    """Apply only what differs, so that a cluster at rest gets no writes."""
    wanted = inference_service(owner, objective, traffic, mode, can, settings)
    if live is not None and is_as_declared(live, wanted) and _has_no_leftover(live, wanted):
        return live
    return api.apply(wanted)


def _has_no_leftover(live: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """A canary that has ended must go; everything else KServe may add is its own affair."""
    return ("canary" in live["spec"]) == ("canary" in wanted["spec"]) and (
        ("canaryTrafficPercent" in live["spec"]["predictor"])
        == ("canaryTrafficPercent" in wanted["spec"]["predictor"])
    )


def _ready(live: dict[str, Any]) -> dict[str, Any]:
    conditions = live.get("status", {}).get("conditions", [])
    return next((found for found in conditions if found["type"] == "Ready"), {})


def _url(live: dict[str, Any]) -> str:
    status = live.get("status", {})
    return str(status.get("url") or status.get("address", {}).get("url") or "")


def _serving_finding(step: Step, live: dict[str, Any], traffic: Traffic) -> Finding:
    ready = _ready(live)
    version = step.serving.version or traffic.stable
    if ready.get("status") == "True":
        candidate = step.serving.candidate
        rest = f"; version {candidate} is rolled out" if candidate != "" else ""
        return Finding("Serving", True, "Ready", f"version {version} answers{rest}")
    told = ready.get("message") or ready.get("reason") or "KServe has not reported yet"
    cause = step.serving.cause or told
    return Finding("Serving", False, "NotReady", f"version {version} does not answer: {cause}")


def _degraded_finding(step: Step, live: dict[str, Any]) -> Finding:
    serving = step.serving
    if serving.rejected:
        message = (
            f"champion {serving.rejected} was rolled back: {serving.cause}; version "
            f"{serving.version} answers. Promote another version, or repair and promote it again"
        )
        return Finding("Degraded", True, "RolledBack", message)
    if serving.version and _ready(live).get("status") == "False":
        message = _ready(live).get("message") or "KServe says that the endpoint is not ready"
        return Finding("Degraded", True, "EndpointDown", message)
    if serving.cause:
        return Finding("Degraded", True, "FirstVersionNotReady", serving.cause)
    return NOT_DEGRADED


_NO_MODEL = Finding(
    "Serving", False, "NoModel", "nothing is promoted yet; see the condition Trained"
)
_KSERVE_MISSING = Finding(
    "Serving",
    False,
    "KServeMissing",
    "the cluster has no KServe (API group serving.kserve.io); install KServe 0.15 or later, and "
    "this goes on by itself",
)
