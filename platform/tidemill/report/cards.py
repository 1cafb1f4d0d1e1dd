"""The headline numbers, each beside what it must be compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.report.facts import PredictionFacts
from tidemill.report.wording import lift, number, percent


@dataclass(frozen=True)
class Card:
    """One number of the test window."""

    title: str
    value: str
    beside: str
    """What it is compared with."""
    since: str | None
    """The same number measured later, on what happened."""


def cards(facts: PredictionFacts) -> list[Card]:
    """AUC, average precision, calibration error and the lift of grade A."""
    metrics, gain = facts.judgement.metrics, facts.judgement.over_baseline
    outcome = facts.outcome or {}
    best, happened = _grade_a(facts.judgement.grades), _grade_a(outcome.get("grades", []))
    return [
        Card(
            "AUC",
            number(metrics["auc"]),
            f"recency alone {number(metrics['baseline_auc'])}; difference "
            f"{gain['difference']:+.3f}, 90% interval {gain['lower']:+.3f} to {gain['upper']:+.3f}",
            _since(outcome.get("auc")),
        ),
        Card(
            "Average precision",
            number(metrics["average_precision"]),
            f"base rate {number(metrics['base_rate'])}, recency alone "
            f"{number(metrics['baseline_average_precision'])}",
            _since(outcome.get("average_precision")),
        ),
        Card(
            "Calibration error",
            number(metrics["ece"]),
            f"{_count(metrics, 'predicted_over_observed')} outcomes predicted, "
            f"{_count(metrics)} happened",
            None if "ece" not in outcome else number(outcome["ece"]["observed"]),
        ),
        Card(
            "Lift of grade A",
            lift(best.get("lift")),
            f"{percent(best.get('rate'))} of grade A had the outcome, "
            f"{percent(metrics['base_rate'])} of everybody",
            f"{lift(happened['lift'])} ({_interval(happened, lift)})" if happened else None,
        ),
    ]


def _grade_a(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Empty when nobody got it."""
    return next((row for row in rows if row["grade"] == "A"), {})


def _since(estimate: Mapping[str, Any] | None) -> str | None:
    if estimate is None:
        return None
    return f"{number(estimate['observed'])} ({_interval(estimate, number)})"


def _interval(estimate: Mapping[str, Any], spell: Callable[[float | None], str]) -> str:
    return f"{spell(estimate['lower'])} to {spell(estimate['upper'])}"


def _count(metrics: Mapping[str, float], factor: str | None = None) -> str:
    """Outcomes of the test window, or that many times a ratio."""
    happened = metrics["base_rate"] * metrics["users"]
    return f"{happened * (metrics[factor] if factor else 1):.0f}"
