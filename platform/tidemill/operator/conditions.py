"""Conditions and the phase: what was found, in Kubernetes' standard form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidemill.errors import TidemillError
from tidemill.objective.status import Condition, Phase

Aspect = Literal["Compiled", "Trained", "Serving", "Monitored", "Degraded"]
ASPECTS: tuple[Aspect, ...] = ("Compiled", "Trained", "Serving", "Monitored", "Degraded")
"""In the order of the loop."""
BAD_NEWS = frozenset(
    {
        "Act",
        "EndpointDown",
        "FirstVersionNotReady",
        "KServeMissing",
        "KubeflowRefused",
        "KubeflowUnreachable",
        "MonitorFailed",
        "NotApplied",
        "NotReady",
        "Refused",
        "RegistryUnreachable",
        "RolledBack",
        "RuntimeMissing",
        "RunFailed",
    }
)
"""Reasons that are worth a warning."""
TO_REPEAT = frozenset(
    {"KubeflowRefused", "KubeflowUnreachable", "NotApplied", "RegistryUnreachable"}
)
"""Reasons that may be gone in a moment."""
_WATCHED = frozenset({"Ok", "Watch", "Act", "Undecided", "Waiting"})
"""Reasons of a monitor that is there."""
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class Finding:
    """One aspect as it is now."""

    aspect: Aspect
    holds: bool | None
    """None when it cannot be told."""
    reason: str
    """One CamelCase word."""
    message: str


NOT_DEGRADED = Finding("Degraded", False, "AsPromised", "")


def cannot_tell(aspect: Aspect, reason: str, error: TidemillError) -> Finding:
    """A part that we depend on did not answer."""
    hint = f"; {error.hint}" if error.hint else ""
    return Finding(aspect, None, reason, f"{error.message}{hint}")


def to_conditions(
    before: Sequence[Condition], findings: Iterable[Finding], generation: int, now: datetime
) -> list[Condition]:
    """The conditions, each with the time at which its status last changed."""
    known = {condition.type: condition for condition in before}
    return [_to_condition(known.get(found.aspect), found, generation, now) for found in findings]


def changes(before: Sequence[Condition], after: Sequence[Condition]) -> list[Condition]:
    """Those conditions whose status or reason is news, for the Objective's events."""
    known = {condition.type: (condition.status, condition.reason) for condition in before}
    return [found for found in after if known.get(found.type) != (found.status, found.reason)]


def find_phase(state: Mapping[Aspect, Finding], version: str, candidate: str) -> Phase:
    """The one word for all of it. A live endpoint outweighs a training that runs or failed."""
    if state["Degraded"].holds or (version and not candidate and not state["Serving"].holds):
        return Phase.DEGRADED
    if candidate:
        return Phase.ROLLING_OUT
    if state["Serving"].holds:
        return Phase.SERVING
    reason = state["Trained"].reason
    if reason == "RunFailed":
        return Phase.FAILED
    if reason in {"NotReady", "Refused"}:
        return Phase.REFUSED
    return Phase.TRAINING if reason == "Running" else Phase.PENDING


def find_alert_phase(monitored: Finding) -> Phase:
    """The one word for an alert, which has nothing but its monitor."""
    if monitored.reason == "MonitorFailed":
        return Phase.FAILED
    return Phase.WATCHING if monitored.reason in _WATCHED else Phase.PENDING


def _to_condition(
    before: Condition | None, found: Finding, generation: int, now: datetime
) -> Condition:
    status: Literal["True", "False", "Unknown"] = "Unknown"
    if found.holds is not None:
        status = "True" if found.holds else "False"
    is_same = before is not None and before.status == status
    return Condition(
        type=found.aspect,
        status=status,
        reason=found.reason,
        message=found.message[:_LONGEST_MESSAGE],
        lastTransitionTime=before.lastTransitionTime if before and is_same else now,
        observedGeneration=generation,
    )
