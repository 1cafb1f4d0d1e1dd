"""The rule that a recommender has to beat: what one chose before, then what everybody chooses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.histories import Exclusions, Histories
from tidemill.recommendation.interests import FACTS
from tidemill.recommendation.ranking import without
from tidemill_pipelines.recommending.running import Lists, filled, padded

OWN_THEN_POPULAR = "own favourites, then what is popular"
POPULAR = "what is popular"
_HABIT = FACTS.index("decayed_four")
"""A half-life of four horizons was the best single one on real purchases."""
_LAST = FACTS.index("days_since_last")


def popularity(histories: Histories, items: int, horizon_days: float) -> NDArray[np.float64]:
    """Users with interest in each item within one horizon before the cutoff; shape [items].

    Items of equal count are ordered by all their users ever.
    """
    recent = histories.facts[:, _LAST] < horizon_days
    now = np.bincount(histories.items[recent], minlength=items)
    ever = np.bincount(histories.items, minlength=items)
    return np.asarray(now + ever / (1.0 + ever.max(initial=0)), np.float64)


def simple_lists(
    histories: Histories,
    popular: NDArray[np.float64],
    values: NDArray[np.float32] | None,
    count: int,
    *,
    with_own: bool,
) -> Lists:
    """The rule's best `count` items for each user; without own items if not `with_own`.

    Favourites are ordered by decayed frequency, the others by `popular`, both times `values`.
    """
    worth = np.ones(len(popular)) if values is None else values.astype(np.float64)
    places = padded(histories.offsets, slice(None))
    own = filled(histories.items, places, -1)
    nobody = Exclusions(np.zeros_like(histories.offsets), histories.items[:0])
    struck = histories.excluded or nobody
    spare = own.shape[1] + int(np.diff(struck.offsets).max(initial=0))
    chart = np.argsort(-popular * worth, kind="stable")[: count + spare]
    ranking = without(np.broadcast_to(chart, (len(histories), len(chart))), histories)
    if with_own:
        habit = filled(histories.facts[:, _HABIT], places, 0) * worth[own]
        order = np.argsort(np.where(own >= 0, -habit, np.inf), axis=1, kind="stable")
        ranking = np.concatenate([np.take_along_axis(own, order, axis=1), ranking], axis=1)
    offered = without(ranking, replace(histories, offsets=struck.offsets, items=struck.items))
    short = ((0, 0), (0, max(0, count - offered.shape[1])))
    items = np.pad(offered, short, constant_values=-1)[:, :count]
    return Lists(items, np.zeros(items.shape, np.float32))
