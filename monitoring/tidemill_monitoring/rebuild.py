"""Computes served vectors again, offline, from the event log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import BundleError
from tidemill_features.catalog import Catalog
from tidemill_monitoring.served import ServedVectors

if TYPE_CHECKING:
    import duckdb

MAXIMUM_PAIRS = 1_000


def sample_pairs(served: ServedVectors, seed: int = 0) -> NDArray[np.intp]:
    """Random rows, at most 1,000, in their order."""
    rows = np.random.default_rng(seed).permutation(len(served.users))
    return np.sort(rows[:MAXIMUM_PAIRS])


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
    from tidemill_features.pairs import compute_pairs  # duckdb

    unknown = sorted(set(features) - set(catalog.names))
    if unknown:
        raise BundleError(
            f"the feature catalog lacks {len(unknown)} features of the served model, first "
            f"'{unknown[0]}'",
            hint="restore the catalog of this home, or retrain the objective",
        )
    return compute_pairs(con, catalog, features, users.tolist(), cutoffs.tolist())
