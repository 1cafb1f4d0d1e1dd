"""Feature rows straight into the packed online store.

The same rows that Feast's `materialize` would write, without a protobuf per value. A test
holds that both leave the same bytes behind.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from tidemill.errors import OnlineStoreError
from tidemill.home import Home
from tidemill.online import OnlineReader, OnlineWriter
from tidemill_features.catalog import FEATURE_VIEW, Catalog, load_catalog
from tidemill_features.engine import to_matrix
from tidemill_features.rows import ensure_rows, read_rows


def materialize_rows(home: Home, catalog: Catalog, rows: pa.Table) -> int:
    """Write feature rows (see engine.compute_features) to the online store; returns how many."""
    users = rows.column("user_id").to_pylist()
    cutoffs = rows.column("event_timestamp").cast(pa.int64()).to_pylist()
    vectors = to_matrix(rows, catalog.names).astype("<f4")
    writer = OnlineWriter(home.online_store)
    writer.write(
        FEATURE_VIEW,
        catalog.names,
        zip(users, cutoffs, (vector.tobytes() for vector in vectors), strict=True),
    )
    writer.close()
    return len(users)


def ensure_online(home: Home, cutoff: datetime) -> None:
    """Fill the online store as of `cutoff`, if it lacks any feature of the catalog.

    A new model may read signals that were found while it was trained.
    """
    catalog = load_catalog(home)
    try:
        OnlineReader(home.online_store, FEATURE_VIEW, catalog.names).close()
    except OnlineStoreError:
        for _ in ensure_rows(home, catalog, [cutoff]):
            pass
        materialize_rows(home, catalog, read_rows(home, catalog, cutoff))
