"""Bins that outliers cannot move: a feature's frequent values, quantiles of the rest, missing.

Counts are mostly zeros with a long tail, so plain deciles would put all non-zero users into one
bin and equal widths all users into one. Here every value held by a tenth of the users has its own
bin, and the others are cut into quantiles. Bins come from the reference alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_OWN_BIN = 0.1
_QUANTILES = 10
_USERS_PER_BIN = 30


@dataclass(frozen=True)
class Bins:
    """Half-open cells `(edge[i-1], edge[i]]`, one for what is missing, labels for people."""

    edges: NDArray[np.float32]
    """Ascending, without duplicates."""

    @property
    def count(self) -> int:
        return len(self.edges) + 2

    @property
    def missing(self) -> int:
        """Index of the bin of missing values, the last one."""
        return self.count - 1

    def codes(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Bin of each value, shape [n]."""
        codes = np.searchsorted(self.edges, values, side="left")
        return np.where(np.isnan(values), self.missing, codes).astype(np.uint8)

    def labels(self) -> list[str]:
        """One per bin; numbered, so that plots keep the order."""
        if not len(self.edges):
            return ["1: any", "2: missing"]
        edges = self.edges
        texts = [f"up to {edges[0]:g}"]
        for low, high in pairwise(edges):
            own_bin = np.nextafter(low, np.float32(np.inf)) == high
            texts.append(f"{high:g}" if own_bin else f"{low:g} to {high:g}")
        texts += [f"over {edges[-1]:g}", "missing"]
        return [f"{position:02d}: {text}" for position, text in enumerate(texts, start=1)]


def bin_reference(values: NDArray[np.float32]) -> Bins:
    """Bins for one feature from its reference values, shape [n]; NaN is missing."""
    present = values[~np.isnan(values)]
    levels, counts = np.unique(present, return_counts=True)
    frequent = levels[counts >= _OWN_BIN * len(values)]
    rest = present[~np.isin(present, frequent)]
    cells = min(_QUANTILES, len(rest) // _USERS_PER_BIN)
    shares = np.arange(1, cells) / cells if cells > 1 else np.empty(0)
    quantiles = np.quantile(rest, shares, method="lower") if len(shares) else np.empty(0)
    below = np.nextafter(frequent, np.float32(-np.inf))
    return Bins(np.unique(np.concatenate([quantiles, frequent, below]).astype(np.float32)))
