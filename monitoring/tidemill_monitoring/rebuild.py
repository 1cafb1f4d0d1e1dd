"""Computes served vectors again, offline, from the event log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import BundleError
from tidemill_features.catalog import Catalog
from tidemill_monitoring.served import ServedVectors, from_us

if TYPE_CHECKING:
    import duckdb

MAXIMUM_PAIRS = 1_000
MAXIMUM_CUTOFFS = 8
"""One feature computation reads the log up to its cutoff; more cutoffs would only cost time."""


def sample_pairs(served: ServedVectors, seed: int = 0) -> NDArray[np.intp]:
    """Random rows, at most 1,000, from at most 8 cutoffs; a frequent cutoff is likelier."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(served.users))
    cutoffs = list(dict.fromkeys(served.cutoffs[rows].tolist()))[:MAXIMUM_CUTOFFS]
    return np.sort(rows[np.isin(served.cutoffs[rows], cutoffs)][:MAXIMUM_PAIRS])


def rebuild_vectors(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    features: Sequence[str],
    users: NDArray[np.str_],
    cutoffs: NDArray[np.int64],
) -> NDArray[np.float32]:
    """The vector of each (user, cutoff) pair, [pairs, features]; all NaN without known events.

    Raises BundleError when the catalog does not define a feature of the model.
    """
    from tidemill_features.engine import compute_features, to_matrix  # duckdb

    unknown = sorted(set(features) - set(catalog.names))
    if unknown:
        raise BundleError(
            f"the feature catalog lacks {len(unknown)} features of the served model, first "
            f"'{unknown[0]}'",
            hint="restore the catalog of this home, or retrain the objective",
        )
    instants = [from_us(cutoff) for cutoff in np.unique(cutoffs)]
    rows = compute_features(con, catalog, instants, np.unique(users).tolist())
    matrix = to_matrix(rows, features)
    stamps = rows.column("event_timestamp").cast("int64").to_pylist()
    keys = zip(rows.column("user_id").to_pylist(), stamps, strict=True)
    row_of = {key: row for row, key in enumerate(keys)}
    rebuilt = np.full((len(users), len(features)), np.nan, dtype=np.float32)
    for pair, key in enumerate(zip(users.tolist(), cutoffs.tolist(), strict=True)):
        if key in row_of:
            rebuilt[pair] = matrix[row_of[key]]
    return rebuilt
