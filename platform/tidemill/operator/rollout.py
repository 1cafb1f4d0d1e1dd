"""How a new champion takes over from the version that answers: a pure state machine.

Its memory is the `serving` block of the Objective's status, so that an operator that was killed in
the middle goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.objective.status import ServingStatus
from tidemill.operator.manifests.inference_service import Traffic
from tidemill.operator.settings import Canary


@dataclass(frozen=True)
class Observed:
    """What can be seen of the candidate."""

    ready: bool = False
    """Its pods answer, and no pod of the version before takes its place."""
    problem: str = ""
    """What its pods say is wrong."""
    error_rate: float | None = None
    """Share of its requests that failed; None when nobody measured."""


@dataclass(frozen=True)
class Step:
    """What follows."""

    serving: ServingStatus
    event: tuple[str, str] | None = None
    """Reason and message for the Objective's events, when something happened."""

    def traffic(self, percent: int) -> Traffic | None:
        """Which versions take requests; `percent` is the canary's share, 0 where none is split."""
        stable, candidate = self.serving.version, self.serving.candidate
        if not candidate:
            return Traffic(stable) if stable else None
        if not stable or not percent:
            return Traffic(candidate)
        return Traffic(stable, candidate, percent)


def next_step(
    serving: ServingStatus,
    champion: str | None,
    observed: Observed,
    now: datetime,
    policy: Canary,
    is_split: bool,
) -> Step:
    """Advance the rollout. `is_split` says that the candidate takes only a share of the traffic.

    A champion of None is unknown or was taken away: what is in hand is brought to its end.
    """
    champion = champion or serving.candidate or serving.version
    if not champion:
        return Step(serving)
    if champion == serving.version:
        return _settle(serving)
    if champion == serving.rejected:
        return Step(serving.model_copy(update={"candidate": "", "since": None}))
    if champion != serving.candidate:
        news = {"candidate": champion, "since": now, "rejected": "", "cause": ""}
        begun = serving.model_copy(update=news)
        before = f", instead of version {serving.version}" if serving.version else ""
        return Step(begun, ("RolloutStarted", f"version {champion} is rolled out{before}"))
    return _judge(serving, observed, now, policy, is_split)


def _settle(serving: ServingStatus) -> Step:
    """The champion answers already; a candidate that is no champion any more is dropped."""
    clean = {"candidate": "", "since": None, "rejected": "", "cause": ""}
    return Step(serving.model_copy(update=clean))


def _judge(
    serving: ServingStatus, observed: Observed, now: datetime, policy: Canary, is_split: bool
) -> Step:
    age = now - (serving.since or now)
    rate = observed.error_rate
    if rate is not None and rate > policy.maxErrorRate:
        return _reject(serving, f"{rate:.1%} of its requests failed")
    if not observed.ready:
        if age < timedelta(minutes=policy.readyMinutes):
            return Step(serving)
        words = observed.problem or "its pods say nothing; see `tidemill logs NAME --of serving`"
        return _reject(serving, f"not ready after {policy.readyMinutes} minutes: {words}")
    is_watched = is_split or rate is not None
    if is_watched and age < timedelta(minutes=policy.minutes):
        return Step(serving)
    done = ServingStatus(version=serving.candidate, request=serving.request)
    return Step(done, ("RolledOut", f"version {serving.candidate} takes all requests"))


def _reject(serving: ServingStatus, cause: str) -> Step:
    """Back to the version before; where there is none, the first version is given more time."""
    if not serving.version:
        return Step(serving.model_copy(update={"cause": cause}))
    news = {"candidate": "", "since": None, "rejected": serving.candidate, "cause": cause}
    message = f"version {serving.candidate}: {cause}; back to {serving.version}"
    return Step(serving.model_copy(update=news), ("RolledBack", message))


def answer_request(serving: ServingStatus, request: str) -> ServingStatus:
    """Try a rejected champion again when the annotation `tidemill.dev/rollout` has a new value."""
    if request == serving.request:
        return serving
    return serving.model_copy(update={"request": request, "rejected": "", "cause": ""})
