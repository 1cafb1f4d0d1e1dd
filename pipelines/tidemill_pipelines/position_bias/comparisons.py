"""Comparisons of positions, from the most trustworthy to the least, and which of them is sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.position_bias.answers import Answers
from tidemill_pipelines.position_bias.counts import Counts
from tidemill_pipelines.position_bias.exposures import Showings

FEWEST_CLICKS = 100
"""Swap clicks; propensities from fewer made rankings worse than none did."""
_FEWEST_FIRST = 20
"""Of them at position 1, which all others are compared with."""


@dataclass(frozen=True)
class Comparison:
    """Clicks on items that were shown at several positions."""

    counts: Counts
    meaning: str
    """Which clicks, for people."""


def randomised(answers: Answers, clicked: NDArray[np.bool_]) -> Iterator[Comparison]:
    """Lists whose items changed places at random; `clicked` [rows of the answers]."""
    if answers.randomised.any():
        counts = answers.randomised_counts(clicked)
        yield Comparison(counts, "on items that changed places at random")


def natural(showings: Showings) -> Iterator[Comparison]:
    """Lists that differ without anybody having meant to learn from it.

    The same item for one user comes first. Across users an item may only be compared where lists
    cannot be personal, or who likes it would see it further up: among those of whom nothing was
    known yet.
    """
    counts = showings.by_user_and_item()
    yield Comparison(counts, "on items that one user saw at several positions")
    counts = showings.by_item_among_strangers()
    yield Comparison(counts, "on items that strangers saw at several positions")


def first_sound(comparisons: Iterable[Comparison]) -> tuple[Comparison | None, str]:
    """The first that can be estimated from, or None and what all of them lack."""
    reasons = []
    for comparison in comparisons:
        reason = _too_thin(comparison)
        if not reason:
            return comparison, ""
        reasons.append(reason)
    return None, "; ".join(reasons)


def _too_thin(comparison: Comparison) -> str:
    counts, meaning = comparison.counts, comparison.meaning
    if counts.swap_clicks < FEWEST_CLICKS:
        return f"{counts.swap_clicks} clicks {meaning}, {FEWEST_CLICKS} are needed"
    comparable = counts.comparable()
    first = int(comparable.clicked[comparable.positions == 1].sum())
    if first < _FEWEST_FIRST:
        return f"{first} clicks {meaning} were at position 1, {_FEWEST_FIRST} are needed"
    return ""
