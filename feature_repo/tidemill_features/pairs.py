"""Features of many (user, cutoff) pairs at once, each cutoff at any time of day.

Features speak of time only relative to the cutoff. So every pair is taken for a user of its own
whose events are moved in time until its cutoff is everybody's, and one query computes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidemill_features.catalog import Catalog
from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.slices import slice_of_pairs

_PAIRS_PER_PASS = 250
"""Bounds memory: a pass holds the events of so many users, and reads the log once."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def compute_pairs(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    names: Sequence[str],
    users: Sequence[str],
    cutoffs: Sequence[int],
) -> NDArray[np.float32]:
    """Features `names` of user i as of cutoff i (microseconds since 1970), float32 [pairs, names].

    Bit for bit what `compute_features` gives; all NaN where no event was known.
    `con` has the views `user_events` and `items`.
    """
    found = np.full((len(users), len(names)), np.nan, dtype=np.float32)
    for start in range(0, len(users), _PAIRS_PER_PASS):
        part = slice(start, start + _PAIRS_PER_PASS)
        _compute(con, catalog, names, users[part], cutoffs[part], found[part])
    return found


def _compute(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    names: Sequence[str],
    users: Sequence[str],
    cutoffs: Sequence[int],
    found: NDArray[np.float32],
) -> None:
    common = max(cutoffs)
    with slice_of_pairs(con, users, [common - cutoff for cutoff in cutoffs]) as moved:
        rows = compute_features(moved, catalog, [_EPOCH + timedelta(microseconds=common)])
    pairs = rows.column("user_id").cast("int64").to_numpy()
    found[pairs] = to_matrix(rows, names)
