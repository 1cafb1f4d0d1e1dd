"""A small share of lists in which the first item changes places, to learn what positions do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Arrangement(NamedTuple):
    """In which order lists are shown."""

    order: NDArray[np.int64]
    """[n, k], which place of the ranking stands at each position."""
    probability: NDArray[np.float32]
    """[n, k], that this item stands at this position, over all draws; 0 beyond the list's end."""


def arrange(
    lengths: NDArray[np.int64], width: int, share: float, draws: NDArray[np.float64]
) -> Arrangement:
    """With probability `share` the first of a list and a uniformly chosen other change places.

    `lengths` [n] are the lists' own, `draws` [n, 2] uniform in [0, 1): whether, and with which.
    Lists of fewer than two items stay as they are.
    """
    places = np.arange(width)
    others = np.maximum(lengths - 1, 1)
    moved = np.where(lengths > 1, share, 0.0)
    each = moved / others
    order = np.tile(places, (len(lengths), 1))
    probability = np.tile(1 - each[:, None], (1, width))
    probability[:, 0] = 1 - moved
    rows = np.flatnonzero(draws[:, 0] < moved)
    partners = 1 + (draws[rows, 1] * others[rows]).astype(np.int64)
    order[rows, 0], order[rows, partners] = partners, 0
    probability[rows, 0] = probability[rows, partners] = each[rows]
    probability[places >= lengths[:, None]] = 0
    return Arrangement(order, probability.astype(np.float32))
