"""What the page says about a model that predicts an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tidemill.report import plots, wording
from tidemill.report.cards import cards
from tidemill.report.content import Content
from tidemill.report.facts import PredictionFacts

_INDICATORS = 12


def content(facts: PredictionFacts) -> Content:
    """Question, headline numbers, plots and indicators."""
    return Content(
        "prediction.html.j2",
        {
            "question": wording.question(facts.objective.target),
            "cards": cards(facts),
            "plots": _plots(facts),
            "grade_rows": _grade_rows(facts),
            "indicators": _indicators(facts),
            "size": f"{len(facts.live.metadata.features)} features",
        },
    )


def _plots(facts: PredictionFacts) -> Mapping[str, plots.Plot]:
    measured, outcome = facts.judgement, facts.outcome or {}
    metrics = measured.metrics
    return {
        "roc": plots.roc(
            measured.roc, measured.baseline_roc, metrics["auc"], metrics["baseline_auc"]
        ),
        "precision_recall": plots.precision_recall(
            measured.precision_recall, metrics["average_precision"], metrics["base_rate"]
        ),
        "calibration": plots.calibration(measured.calibration, outcome.get("calibration", [])),
        "grades": plots.grade_lifts(
            measured.grades, outcome.get("grades", []), facts.live.metadata.grade_shares
        ),
    }


def _grade_rows(facts: PredictionFacts) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Each grade of the test window beside what happened to the same grade."""
    after = {row["grade"]: row for row in (facts.outcome or {}).get("grades", [])}
    return [(row, after.get(row["grade"])) for row in facts.judgement.grades]


@dataclass(frozen=True)
class Indicator:
    """A signal that goes with the outcome."""

    signal: str
    words: str
    auc: float
    bar: Markup


def _indicators(facts: PredictionFacts) -> list[Indicator]:
    found = []
    for each in facts.judgement.indicators[:_INDICATORS]:
        signal, words = wording.indicator(each["description"], each["auc"])
        # 0.5 tells nothing in either direction.
        auc = max(each["auc"], 1 - each["auc"])
        bar = plots.share_bar(2 * (auc - 0.5), f"AUC alone {auc:.2f}")
        found.append(Indicator(signal, words, auc, bar))
    return found
