"""What the page says about a model that divides users into segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.report import wording
from tidemill.report.cards import Card
from tidemill.report.content import Content
from tidemill.report.facts import SegmentFacts


def content(facts: SegmentFacts) -> Content:
    """Question, headline numbers, the segments described, what was tried and who moved."""
    judged = facts.judgement
    return Content(
        "segments.html.j2",
        {
            "question": f"Which kinds of users are there, by {_factors(facts)}?",
            "cards": _cards(facts),
            "segments": sorted(judged.segments, key=lambda each: -each["users"]),
            "tried": [_tried(each, len(judged.segments)) for each in judged.tried],
            "moved": _moved(judged.moved, judged.segments),
            "now": {each["id"]: each for each in facts.drift.get("segments", [])},
            "flows": facts.drift.get("flows", []),
            "size": f"{len(facts.live.metadata.features)} features",
            "value": _value,
        },
    )


def _factors(facts: SegmentFacts) -> str:
    declared = facts.objective.spec.segmentation
    return "" if declared is None else ", ".join(each.name for each in declared.factors)


def _cards(facts: SegmentFacts) -> list[Card]:
    metrics, number, percent = facts.judgement.metrics, wording.number, wording.percent
    drift = facts.drift
    return [
        Card(
            "Segments",
            str(len(facts.judgement.segments)),
            f"of {sum(each['users'] for each in facts.judgement.segments):,} users",
            None,
        ),
        Card(
            "Least stable",
            number(metrics["lowest_jaccard"], 2),
            "overlap of a segment with itself in bootstrap samples; 0.75 is needed",
            None,
        ),
        Card(
            "Shallowest gap",
            percent(metrics["widest_valley"]),
            "as many users between two segments as in the sparser of the two",
            None,
        ),
        Card(
            "In older data",
            number(metrics.get("agreement_with_older_data"), 2),
            "agreement of the divisions by data of two periods; "
            f"{percent(metrics.get('stayed'))} of the users kept their segment",
            None if "psi" not in drift else f"stability index {number(drift['psi'], 2)}",
        ),
    ]


@dataclass(frozen=True)
class _Tried:
    """One number of segments."""

    k: int
    is_chosen: bool
    smallest: int
    jaccard: float | None
    valley: float
    agreement: float | None
    said: str


def _tried(facts: Mapping[str, Any], chosen: int) -> _Tried:
    return _Tried(
        facts["k"],
        facts["k"] == chosen,
        facts["smallest"],
        None if facts["jaccard"] is None else min(facts["jaccard"]),
        max(gap["valley"] for gap in facts["gaps"]),
        facts["agreement"],
        "; ".join(facts["faults"]),
    )


def _moved(
    counts: Sequence[Sequence[int]], segments: Sequence[Mapping[str, Any]]
) -> list[tuple[str, list[tuple[int, float | None]]]]:
    """Each segment then, the largest first, with users and shares by segment now; empty without
    older data."""
    order = sorted(range(len(segments)), key=lambda at: -segments[at]["users"])
    rows = []
    for at in order:
        row, total = [counts[at][to] for to in order], sum(counts[at])
        rows.append((segments[at]["id"], [(each, each / total if total else None) for each in row]))
    return rows if any(sum(row) for row in counts) else []


def _value(value: float | None, measure: str) -> str:
    """A median as people read it."""
    if value is None:
        return "never"
    text = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.1f}"
    return f"{text} days" if measure == "recency" else text
