"""Words and numbers for people. Indicators are said to go with the outcome, never to cause it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from markupsafe import Markup, escape

from tidemill.objective import Objective, Target

NOTHING = "\N{EN DASH}"
_TIMES = "\N{MULTIPLICATION SIGN}"
_CODE = re.compile(r"`([^`]+)`")


def question(target: Target) -> str:
    """What the model answers, as one plain question."""
    event = target.event or "any event"
    conditions = " and ".join(f"{key} is {value}" for key, value in target.where.items())
    event += f" where {conditions}" if conditions else ""
    span = duration(target.within)
    if target.absent:
        return f"Will a user go {span} without {event}?"
    return f"Will a user do {event} within {span}?"


def choice_question(objective: Objective) -> str:
    """What a model that chooses answers, as one plain question."""
    span, target = duration(objective.target.within), objective.target
    if objective.spec.next_best_offer is not None:
        return f"Which offer is worth most to a user, by {target.event} within {span}?"
    return f"Which items will a user's next {target.event} be about, within {span}?"


def value_question(target: Target) -> str:
    """What a model of value answers, as one plain question."""
    span = duration(target.within)
    return f"How often will a customer do {target.event} within {span}, and what is that worth?"


def interval(estimate: Mapping[str, Any]) -> str:
    """An observed value with its 95% interval."""
    bounds = f"{number(estimate['lower'])} to {number(estimate['upper'])}"
    return f"{number(estimate['observed'])} ({bounds})"


def duration(span: timedelta) -> str:
    """`28 days`, `12 hours`, `1 day`."""
    hours = round(span / timedelta(hours=1))
    count, unit = (hours, "hour") if hours % 24 else (hours // 24, "day")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def number(value: float | None, digits: int = 3) -> str:
    """Fixed digits; a dash where there is no number."""
    return NOTHING if _missing(value) else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """Two significant digits below ten percent, whole percents above."""
    if value is None or _missing(value):
        return NOTHING
    if value >= 0.0995:
        return f"{value:.0%}"
    return f"{value:.1%}" if value >= 0.00995 or value == 0 else f"{value:.2%}"


def lift(value: float | None) -> str:
    """How many times as often; a whole number from ten, two decimals below one."""
    if value is None or _missing(value):
        return NOTHING
    digits = 2 if value < 0.995 else 1 if value < 9.95 else 0
    return f"{_TIMES}{value:.{digits}f}"


def indicator(description: str, auc: float) -> tuple[str, str]:
    """What is counted, and which values of it go with the outcome.

    `description` is a feature's: the signal, a colon, and what is computed from it.
    """
    signal, _, aggregate = description.rpartition(": ")
    side = "higher" if auc >= 0.5 else "lower"
    return signal, f"{side} “{aggregate}” goes with the outcome"


def with_code(sentence: str) -> Markup:
    """The sentence for HTML; what stands in backticks becomes code. Everything is escaped first."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(sentence))))  # noqa: S704  # escaped


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)
