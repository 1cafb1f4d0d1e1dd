"""Keeps the InferenceService of an Objective equal to its champion, carefully."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from tidemill.cluster.api import KubernetesApi
from tidemill.cluster.resources import ROLLOUT_ANNOTATION
from tidemill.errors import ClusterError
from tidemill.objective import Objective
from tidemill.objective.status import ServingStatus
from tidemill.operator.capabilities import MODES, Capabilities, Mode
from tidemill.operator.conditions import NOT_DEGRADED, Finding, cannot_tell
from tidemill.operator.manifests.common import is_as_declared, signed
from tidemill.operator.manifests.inference_service import (
    MODE_ANNOTATION,
    Traffic,
    inference_service,
    service_name,
    splits_traffic,
)
from tidemill.operator.pods import pods_of_version
from tidemill.operator.prometheus import error_rate
from tidemill.operator.rollout import Observed, Step, answer_request, next_step
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
    if not can.runtime:
        return Served(serving, "", (_runtime_missing(settings.runtime), NOT_DEGRADED))
    serving = answer_request(serving, _asked(owner))
    live = api.get("InferenceService", service_name(objective.name))
    mode = _mode(settings, can, live)
    percent = settings.serving.canary.percent
    can_split = percent > 0 and splits_traffic(mode, objective.spec.serving.replicas, can)
    is_split = bool(serving.version) and can_split
    observed = _observe(api, settings, objective.name, serving, mode, live, is_split)
    step = next_step(serving, champion, observed, now, settings.serving.canary, is_split)
    traffic = step.traffic(percent if is_split else 0)
    if traffic is None:
        return Served(step.serving, "", (_NO_MODEL, NOT_DEGRADED))
    wanted = signed(inference_service(owner, objective, traffic, mode, can, settings))
    try:
        live = _put_right(api, live, wanted)
    except ClusterError as error:
        return _not_applied(step, live, error)
    findings = (_serving_finding(step, live, traffic), _degraded_finding(step, live))
    return Served(step.serving, _url(live), findings, step.event)


def _not_applied(step: Step, live: dict[str, Any] | None, error: ClusterError) -> Served:
    """The clock of a rollout runs on, so that a candidate nobody admits is rolled back too."""
    serving = step.serving
    if serving.candidate:
        serving = serving.model_copy(update={"cause": error.message})
    url = "" if live is None else _url(live)
    findings = (cannot_tell("Serving", "NotApplied", error), NOT_DEGRADED)
    return Served(serving, url, findings, step.event)


def _asked(owner: dict[str, Any]) -> str:
    return str(owner["metadata"].get("annotations", {}).get(ROLLOUT_ANNOTATION, ""))


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
    api: KubernetesApi, live: dict[str, Any] | None, wanted: dict[str, Any]
) -> dict[str, Any]:
    """Apply only what differs, so that a cluster at rest gets no writes."""
    if live is not None and is_as_declared(live, wanted):
        return live
    return api.apply(wanted)


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
            f"{serving.version} answers. Promote another version, or repair the cause and give the "
            f"annotation `{ROLLOUT_ANNOTATION}` a new value"
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
    "the cluster has no KServe (no kind InferenceService); install KServe 0.17 or newer, then run "
    "`helm upgrade` for its runtime",
)


def _runtime_missing(name: str) -> Finding:
    message = f"there is no ClusterServingRuntime '{name}'; `helm upgrade` of this release makes it"
    return Finding("Serving", False, "RuntimeMissing", message)
