"""What the page says about a model that predicts the value of customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.report import wording
from tidemill.report.cards import Card
from tidemill.report.content import Content
from tidemill.report.facts import ValueFacts


def content(facts: ValueFacts) -> Content:
    """Question, headline numbers, deciles, rivals and candidates."""
    return Content(
        "value.html.j2",
        {
            "question": wording.value_question(facts.objective.target),
            "cards": _cards(facts),
            "deciles": facts.judgement.deciles[::-1],
            "after": facts.happened.get("deciles", [])[::-1],
            "rivals": [_own(facts), *facts.judgement.rivals],
            "candidates": _candidates(facts),
            "size": f"{len(facts.live.metadata.features)} features",
        },
    )


def _cards(facts: ValueFacts) -> list[Card]:
    metrics, since = facts.judgement.metrics, facts.happened
    percent, number, rule = wording.percent, wording.number, facts.judgement.baseline
    gain = facts.judgement.over_baseline
    return [
        Card(
            "Highest tenth",
            percent(metrics["capture"]),
            f"of all value came from the customers predicted highest; {rule} "
            f"{percent(metrics['baseline_capture'])}",
            _since(since.get("capture")),
        ),
        Card(
            "Predicted over observed",
            number(metrics["predicted_over_observed"], 2),
            f"in all; {rule} {number(metrics['baseline_predicted_over_observed'], 2)}",
            _since(since.get("predicted_over_observed")),
        ),
        Card(
            "Decile error",
            number(metrics["decile_error"], 2),
            f"of the total is on the wrong tenth; {rule} "
            f"{number(metrics['baseline_decile_error'], 2)}",
            None,
        ),
        Card(
            "Explained",
            percent(metrics["explained"]),
            f"of the deviance; difference from {rule} {gain['difference']:+.3f}, 90% interval "
            f"{gain['lower']:+.3f} to {gain['upper']:+.3f}",
            None,
        ),
    ]


def _since(estimate: Mapping[str, Any] | None) -> str | None:
    return None if estimate is None else wording.interval(estimate)


def _own(facts: ValueFacts) -> Mapping[str, Any]:
    return {"name": "this model", "quality": facts.judgement.metrics}


def _candidates(facts: ValueFacts) -> list[tuple[Mapping[str, Any], bool]]:
    """The best first, and whether it is the one that was taken."""
    value = facts.live.metadata.value
    chosen = None if value is None else value.model
    ordered = sorted(facts.judgement.candidates, key=lambda each: -each["quality"]["explained"])
    return [(each, each["name"] == chosen) for each in ordered]
