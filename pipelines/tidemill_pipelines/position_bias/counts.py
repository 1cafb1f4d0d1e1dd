"""Showings and clicks by position, within strata of items that are alike but for their position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_POSITION = 50
"""Positions further down are counted as this one."""


@dataclass(frozen=True)
class Counts:
    """One entry for each stratum and position at which something of it was shown."""

    strata: NDArray[np.int64]
    """[m]; of one stratum are showings whose items would be clicked equally often, were it not for
    their position: the same item for the same user, or items randomised among positions."""
    positions: NDArray[np.int64]
    """[m], 1 for the first, at most LARGEST_POSITION."""
    shown: NDArray[np.int64]
    """[m]."""
    clicked: NDArray[np.int64]
    """[m], at most `shown`."""

    @property
    def clicks_by_position(self) -> NDArray[np.int64]:
        """Clicks at positions 1, 2, ..., in all strata."""
        return np.bincount(self.positions - 1, self.clicked).astype(np.int64)

    @property
    def swap_clicks(self) -> int:
        """Clicks on what stood elsewhere than its stratum mostly does."""
        order = np.lexsort((self.positions, -self.shown, self.strata))
        _, usual = np.unique(self.strata[order], return_index=True)
        return int(self.clicked.sum() - self.clicked[order][usual].sum())

    def comparable(self) -> Counts:
        """Only strata with clicks that were shown at more than one position; strata from 0 on."""
        names, index = np.unique(self.strata, return_inverse=True)
        places = np.bincount(index, minlength=len(names))
        clicks = np.bincount(index, self.clicked, len(names))
        kept = ((places > 1) & (clicks > 0))[index]
        _, strata = np.unique(index[kept], return_inverse=True)
        return Counts(
            strata.astype(np.int64), self.positions[kept], self.shown[kept], self.clicked[kept]
        )


def count(
    strata: NDArray[np.integer], positions: NDArray[np.integer], clicked: NDArray[np.bool_]
) -> Counts:
    """Counts of single showings, each of shape [n]; strata and positions from 1 on."""
    places = np.minimum(positions, LARGEST_POSITION).astype(np.int64)
    keys = strata.astype(np.int64) * (LARGEST_POSITION + 1) + places
    found, index = np.unique(keys, return_inverse=True)
    shown = np.bincount(index, minlength=len(found))
    clicks = np.bincount(index, clicked, len(found))
    return Counts(
        found // (LARGEST_POSITION + 1),
        found % (LARGEST_POSITION + 1),
        shown.astype(np.int64),
        clicks.astype(np.int64),
    )
