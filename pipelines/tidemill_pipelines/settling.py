"""Decides about the challenger in the champion's shadow when its time has come."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.objective.duration import format_duration
from tidemill.registry import Registry
from tidemill_pipelines.going_live import go_live
from tidemill_pipelines.launching import is_launched, launch, refusal_of
from tidemill_pipelines.outcomes import record
from tidemill_pipelines.shadow_verdict import ShadowVerdict, judge_shadow
from tidemill_pipelines.shadowing import read_facts


def settle(home: Home, objective: Objective, now: datetime) -> ShadowVerdict | None:
    """Promote the challenger in the shadow, refuse it, or let it wait; None when there is none.

    Where an experiment has the last word, it is let into that instead of being promoted.
    """
    registry, name = Registry(home), objective.name
    found = registry.shadow(name)
    if found is None:
        return None
    version, since = found
    period = objective.spec.serving.shadow or timedelta(0)
    if now < since + period:
        return ShadowVerdict("waits", f"in the shadow until {since + period:%Y-%m-%d %H:%M} UTC")
    verdict = judge_shadow(read_facts(home, objective, version, since))
    if verdict.decision == "promote" and is_launched(objective):
        return _launch(home, objective, version)
    if verdict.decision == "promote":
        go_live(
            home, name, version, f"after {format_duration(period)} in the shadow: {verdict.reason}"
        )
        record(str(home.root), name, "promoted", verdict.reason, version)
    elif verdict.decision == "refuse":
        registry.end_shadow(name)
        record(str(home.root), name, "refused", verdict.reason, version)
    return verdict


def _launch(home: Home, objective: Objective, version: str) -> ShadowVerdict:
    refusal = refusal_of(home, objective, version)
    if refusal is not None:
        return ShadowVerdict("waits", refusal)
    begun = launch(home, objective, version, None)
    reason = f"sane in the shadow; version {version} has to win experiment {begun.name}"
    record(str(home.root), objective.name, "launched", reason, version)
    return ShadowVerdict("launch", reason)
