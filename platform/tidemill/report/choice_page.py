"""What the page says about a model that chooses items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.report import plots, wording
from tidemill.report.cards import Card
from tidemill.report.content import Content
from tidemill.report.facts import ChoiceFacts
from tidemill.report.plots import Plot

_COLOURS = 8
"""Values of the map's attribute that get a colour of their own; the others share one."""
_NEIGHBOURS = 12
_NEAREST = 5


def content(facts: ChoiceFacts) -> Content:
    """Question, headline numbers, candidates, slices, neighbours and the map of items."""
    return Content(
        "choice.html.j2",
        {
            "question": wording.choice_question(facts.objective),
            "cards": _cards(facts),
            "candidates": _candidates(facts),
            "neighbours": [
                {"item": each["item"], "nearest": each["nearest"][:_NEAREST]}
                for each in facts.judgement.neighbours[:_NEIGHBOURS]
            ],
            "map": _map(facts.judgement.map),
            "size": f"{len(facts.live.metadata.items):,} items",
        },
    )


def _cards(facts: ChoiceFacts) -> list[Card]:
    metrics, gain = facts.judgement.metrics, facts.judgement.over_baseline
    count, number, percent = facts.live.metadata.count, wording.number, wording.percent
    since = facts.happened.get("ndcg")
    return [
        Card(
            f"NDCG@{count}",
            number(metrics["ndcg"]),
            f"{facts.judgement.baseline} {number(metrics['baseline_ndcg'])}; difference "
            f"{gain['difference']:+.3f}, 90% interval {gain['lower']:+.3f} to {gain['upper']:+.3f}",
            None if since is None else wording.interval(since),
        ),
        Card(
            "Among new items",
            number(metrics.get("ndcg_new")),
            f"NDCG@{count} over items the user had no history with; "
            f"{percent(metrics.get('recall_new'))} of them found",
            None,
        ),
        Card(
            f"Recall@{count}",
            percent(metrics["recall"]),
            "of what users then did was on their list; the probabilities shown add up to "
            f"{wording.lift(metrics.get('predicted_over_observed'))} the items taken up",
            None,
        ),
        Card(
            "Catalogue shown",
            percent(metrics["coverage"]),
            f"of {len(facts.live.metadata.items):,} items on at least one list; "
            f"{percent(metrics['popularity_share'])} of places went to the {count} most popular",
            None,
        ),
    ]


@dataclass(frozen=True)
class _Candidate:
    """One model of the competition."""

    facts: Mapping[str, Any]
    is_chosen: bool


def _candidates(facts: ChoiceFacts) -> list[_Candidate]:
    """The best first; those that did not run last."""
    chosen = facts.live.metadata.model
    ordered = sorted(facts.judgement.candidates, key=lambda each: -(each["ndcg"] or 0))
    return [_Candidate(each, each["name"] == chosen) for each in ordered]


def _map(found: Mapping[str, Any]) -> Plot | None:
    """Items where the model sees them, coloured by the most frequent values of an attribute."""
    if not found.get("points"):
        return None
    counts: dict[str, int] = {}
    for point in found["points"]:
        counts[point["value"] or ""] = counts.get(point["value"] or "", 0) + 1
    named = sorted((value for value in counts if value), key=lambda value: -counts[value])
    return plots.item_map(found["points"], named[:_COLOURS])
