"""What a click counts by where the item stood, or why every click counts the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill.objective import Objective
from tidemill.recommendation.interests import InterestDefinition, PositionWeights
from tidemill.recommendation.shown import Shown
from tidemill_features.instants import in_microseconds
from tidemill_pipelines.position_bias.answers import clicks_on, read_answers
from tidemill_pipelines.position_bias.comparisons import (
    Comparison,
    first_sound,
    natural,
    randomised,
)
from tidemill_pipelines.position_bias.exposures import (
    Showings,
    read_showings,
    without_weights,
)
from tidemill_pipelines.position_bias.propensities import Floats, Propensities, estimate, kish

if TYPE_CHECKING:
    import duckdb

_CLICKS_PER_UNIT = 50
"""Swap clicks that one unit of weight needs: few clicks must not carry large weights."""
_LARGEST = 20.0
_NOTICEABLE = 1.05
"""Largest weight below which there is nothing to correct."""


def position_weights(
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    until: datetime,
    shown: Iterable[Shown] = (),
) -> tuple[PositionWeights | None, str]:
    """Weights from what was known at `until`, or None, and a sentence for people either way.

    `con` has `user_events` and `items`; `shown` are the objective's records of the prediction log.
    Randomised lists are believed first, then the same item at several positions for one user, then
    the same item among users of whom nothing was known. Raises ValueError for an objective that
    declares no exposures.
    """
    definition, positions = without_weights(objective)
    showings = read_showings(con, definition, positions, until)
    reason = _useless(showings, definition, positions)
    if reason:
        return None, _refusal(reason)
    found, lacking = first_sound(_comparisons(con, showings, positions, until, shown))
    if found is None:
        return None, _refusal(lacking)
    return _weigh(positions, found, showings.clicks_by_position())


def clipped_weights(propensities: Propensities) -> Floats:
    """1 / propensity of positions 1, 2, ..., no larger than its clicks can carry."""
    most = min(_LARGEST, max(1.0, propensities.swap_clicks / _CLICKS_PER_UNIT))
    return np.minimum(1 / propensities.values, most)


def _comparisons(
    con: duckdb.DuckDBPyConnection,
    showings: Showings,
    positions: PositionWeights,
    before: datetime,
    shown: Iterable[Shown],
) -> Iterator[Comparison]:
    before_us = in_microseconds(before)
    answers = read_answers(record for record in shown if record.requested_at < before_us)
    yield from randomised(answers, clicks_on(con, answers, positions.within_us))
    yield from natural(showings)


def _useless(showings: Showings, definition: InterestDefinition, positions: PositionWeights) -> str:
    """Why no weight could have an effect, or be right; empty if it might."""
    if positions.clicked not in {each.event for each in definition.events}:
        return f"'{positions.clicked}' answers being shown, and is not declared as interest"
    if not showings.total:
        return f"there is no event '{positions.event}' with an item and a position from 1 on"
    if showings.at_zero * 2 > showings.total:
        return f"{showings.at_zero:,} positions are 0, and the first position must be 1"
    if not showings.clicked:
        return f"none of {showings.total:,} showings was answered by '{positions.clicked}'"
    return ""


def _weigh(
    positions: PositionWeights, comparison: Comparison, clicks: NDArray[np.int64]
) -> tuple[PositionWeights | None, str]:
    found = estimate(comparison.counts)
    weights = clipped_weights(found)
    each = np.repeat(_reaching(weights, len(clicks)), clicks)
    basis = f"{found.swap_clicks:,} clicks {comparison.meaning}"
    if weights.max() < _NOTICEABLE:
        return None, f"no position weights: {basis} show no position bias"
    rounded = tuple(round(float(weight), 4) for weight in weights)
    return positions.model_copy(update={"weights": rounded}), (
        f"a click counts 1 at position 1 and {weights[-1]:.1f} from position {len(weights)} on, "
        f"estimated from {basis}; {len(each):,} weighted clicks are worth {kish(each):,.0f}"
    )


def _reaching(weights: Floats, positions: int) -> Floats:
    """One weight for each position, the last for all that follow."""
    return weights[np.minimum(np.arange(positions), len(weights) - 1)]


def _refusal(reason: str) -> str:
    return f"no position weights: {reason}"
