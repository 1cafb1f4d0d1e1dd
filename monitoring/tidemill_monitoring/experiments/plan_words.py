"""A plan for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from tidemill.objective.experimenting import DeclaredExperiment
from tidemill_monitoring.experiments.history import LONGEST_DAYS, History
from tidemill_monitoring.experiments.promised import Promise
from tidemill_monitoring.experiments.sentences import spell_lift, spell_value


def plan_sentence(found: Promise) -> str:
    """How long it takes to notice what matters, and what the past of the users is worth."""
    lift = f"a lift of {found.lift:.2%} of `{found.metric.name}`"
    now = spell_value(found.metric, found.baseline.mean)
    if found.plan is None:
        return (
            f"At present traffic {lift} (now {now}) is not noticed within {LONGEST_DAYS} days: "
            "declare a larger smallest_effect, larger arms, or a metric that more users move."
        )
    power = f"{found.plan.power:.0%}"
    return (
        f"{lift[0].upper()}{lift[1:]} (now {now}) needs {found.plan.units:,.0f} users, "
        f"{found.plan.days} days at present traffic, to be noticed with a probability of {power}. "
        f"{_past_sentence(found)}"
    )


def traffic_sentence(history: History) -> str:
    """Where the numbers come from."""
    counted = "were answered" if history.is_answered else "did anything"
    users = history.arrivals[min(history.days, LONGEST_DAYS) - 1]
    return f"From {history.days} days in which {users:,.0f} users {counted}."


def render_plan(
    declared: DeclaredExperiment, history: History, promises: Sequence[Promise]
) -> RenderableType:
    """The primary metric's plan in words, then what shorter and longer experiments would notice."""
    table = Table("metric", "now", "needs", *_lasting(promises[0]), "CUPED saves")
    for found in promises:
        days = "over a year" if found.plan is None else f"{found.plan.days} days"
        saved = found.baseline.correlation**2
        noticed = [_noticed(each.lift) for each in found.detectable]
        noticed += [""] * (len(promises[0].detectable) - len(noticed))
        now = spell_value(found.metric, found.baseline.mean)
        table.add_row(escape(found.metric.name), escape(now), days, *noticed, f"{saved:.0%}")
    lines = [f"[bold]{escape(plan_sentence(promises[0]))}[/]", escape(traffic_sentence(history))]
    if declared.holdout is not None or declared.bandit:
        kind = "A holdout stays" if declared.holdout is not None else "A bandit goes on"
        lines.append(
            f"{kind}: looked at without an end, its bounds are wider than those promised here."
        )
    return Group(*lines, table)


def plan_json(history: History, promises: Sequence[Promise]) -> dict[str, Any]:
    """What `tidemill experiment plan --json` prints."""
    return {
        "format": 1,
        "sentence": plan_sentence(promises[0]),
        "history_days": history.days,
        "from_answers": history.is_answered,
        "metrics": [{**each.to_json(), "sentence": plan_sentence(each)} for each in promises],
    }


def _lasting(found: Promise) -> list[str]:
    return [f"in {each.days} days" for each in found.detectable]


def _noticed(lift: float) -> str:
    return spell_lift(lift) if np.isfinite(lift) else "nothing"


def _past_sentence(found: Promise) -> str:
    saved = found.baseline.correlation**2
    if found.without_past is None:
        return f"Only what users did before ({saved:.0%} of the variance) makes that possible."
    if found.plan is None or found.without_past.days <= found.plan.days:
        return "What users did before does not shorten it."
    return (
        f"Without what users did before ({saved:.0%} of the variance) "
        f"it would be {found.without_past.days} days."
    )
