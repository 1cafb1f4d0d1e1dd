"""Runs the feature query on DuckDB and lays the result out as one row per (user, cutoff)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill_features.aggregates import PURCHASE_AGGREGATES
from tidemill_features.catalog import Catalog
from tidemill_features.sql import DAY_US, feature_query

KEYS = ("user_id", "event_timestamp")
# The query speaks Spark where the two have different names for the same function.
SPARK_NAMES = "CREATE OR REPLACE TEMP MACRO unix_micros(instant) AS epoch_us(instant)"


def compute_features(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    cutoffs: Sequence[datetime],
    users: Sequence[str] | None = None,
) -> pa.Table:
    """Features of every user with an event known before each cutoff (of `users`, if given).

    `con` has the views `user_events` and `items`. Columns: `user_id`, `event_timestamp` (the
    cutoff), then one float32 per catalog feature, null where the value does not exist. Sorted by
    cutoff and user.
    """
    parts = []
    con.execute(SPARK_NAMES)
    if users is not None:
        con.register("wanted_users", pa.table({"user_id": pa.array(list(users), pa.string())}))
    by_time_of_day: dict[int, list[int]] = {}
    for cutoff in sorted(set(cutoffs)):
        by_time_of_day.setdefault(_to_us(cutoff) % DAY_US, []).append(_to_us(cutoff))
    for offset, instants in by_time_of_day.items():
        con.register("cutoffs", pa.table({"cutoff_us": pa.array(instants, pa.int64())}))
        query = feature_query(catalog, offset, only_users=users is not None)
        parts.append(_lay_out(con.execute(query).to_arrow_table(), catalog))
        con.unregister("cutoffs")
    if users is not None:
        con.unregister("wanted_users")
    if not parts:
        return feature_schema(catalog).empty_table()
    return pa.concat_tables(parts).sort_by([(KEYS[1], "ascending"), (KEYS[0], "ascending")])


def feature_schema(catalog: Catalog) -> pa.Schema:
    """Columns of a feature row."""
    return pa.schema(
        [
            pa.field("user_id", pa.string(), nullable=False),
            pa.field("event_timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
            *(pa.field(name, pa.float32()) for name in catalog.names),
        ]
    )


def to_matrix(rows: pa.Table, names: Sequence[str]) -> NDArray[np.float32]:
    """Columns `names` of feature rows as float32 [rows, names], NaN for null."""
    matrix = np.empty((rows.num_rows, len(names)), dtype=np.float32)
    for index, name in enumerate(names):
        matrix[:, index] = rows.column(name).to_numpy()
    return matrix


def _lay_out(long: pa.Table, catalog: Catalog) -> pa.Table:
    """Pivot (user, cutoff, signal) rows to one row per (user, cutoff)."""
    user_of, cutoff_of = long.column("user_id"), long.column("cutoff_us").to_numpy()
    encoded = user_of.combine_chunks().dictionary_encode()
    users = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    width = np.int64(max(1, len(users)))
    cutoffs, cutoff_index = np.unique(cutoff_of, return_inverse=True)
    key = cutoff_index * width + encoded.indices.to_numpy(zero_copy_only=False)
    rows, row_of = np.unique(key, return_inverse=True)
    columns = _scatter(long, catalog, row_of, len(rows))
    stamps = pa.array(cutoffs[rows // width], pa.timestamp("us", tz="UTC"))
    keys = [pa.array(users[rows % width], pa.string()), stamps]
    return pa.Table.from_arrays([*keys, *columns], schema=feature_schema(catalog))


def _scatter(
    long: pa.Table, catalog: Catalog, row_of: NDArray[np.intp], rows: int
) -> list[pa.Array]:
    signal_of = long.column("signal").to_numpy()
    values = {a.name: long.column(a.name).to_numpy() for a in PURCHASE_AGGREGATES}
    members = [np.flatnonzero(signal_of == index) for index in range(len(catalog.signals))]
    columns = []
    for index, signal in enumerate(catalog.signals):
        at, here = row_of[members[index]], members[index]
        for aggregate in signal.aggregates:
            column = np.full(rows, aggregate.absent, dtype=np.float32)
            column[at] = values[aggregate.name][here]
            columns.append(pa.array(column, pa.float32(), from_pandas=True))
    return columns


def _to_us(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ValueError(f"cutoff {instant} has no time zone; give it one, for example UTC")
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
