"""The training set of a lifetime value: customers at each cutoff, and what they then bought."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill_features.engine import to_matrix

TRAIN, TEST, CURRENT = "train", "test", "current"
"""Customers who are predicted for. What the current ones will buy is not known yet."""
GONE = "gone"
"""Customers who are not, because they bought too long ago: a process that never saw one leave would
think that nobody does."""
PURCHASES, VALUE, SPLIT = "purchases", "value", "split"
_KEYS = ("user_id", "event_timestamp", PURCHASES, VALUE, SPLIT)
_PLAN = b"tidemill.windows"


@dataclass(frozen=True)
class Customers:
    """Rows of a training set."""

    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    purchases: NDArray[np.float64]
    """Within `judged_days` after the cutoff."""
    values: NDArray[np.float64]
    """As `purchases`, the sum of what they were worth."""
    vectors: NDArray[np.float32]
    """[n, features], NaN where a value does not exist."""
    features: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Customers:
        return Customers(
            self.users[rows],
            self.cutoffs[rows],
            self.purchases[rows],
            self.values[rows],
            self.vectors[rows],
            self.features,
        )


def joined(one: Customers, other: Customers) -> Customers:
    """Rows of both."""
    return Customers(
        np.concatenate([one.users, other.users]),
        np.concatenate([one.cutoffs, other.cutoffs]),
        np.concatenate([one.purchases, other.purchases]),
        np.concatenate([one.values, other.values]),
        np.concatenate([one.vectors, other.vectors]),
        one.features,
    )


def with_gone(members: Customers, gone: Customers) -> Customers:
    """`members`, rows of one cutoff, and those who were gone by then."""
    return joined(members, gone.take(np.isin(gone.cutoffs, members.cutoffs[:1])))


def write_customers(
    path: Path, parts: Sequence[tuple[pa.Table, Sequence[str]]], judged: timedelta
) -> int:
    """Write parts, each a table of rows with outcomes and the splits of its rows; returns rows."""
    tables = [table.append_column(SPLIT, pa.array(splits, pa.string())) for table, splits in parts]
    whole = pa.concat_tables(tables)
    plan = json.dumps({"judged_days": judged / timedelta(days=1)})
    pq.write_table(whole.replace_schema_metadata({_PLAN: plan.encode()}), path)
    return int(whole.num_rows)


def read_customers(dataset: Path, *splits: str) -> Customers:
    """Rows of some splits, ordered by split as stored."""
    table = pq.read_table(dataset, filters=[(SPLIT, "in", splits)])
    features = tuple(name for name in table.column_names if name not in _KEYS)
    return Customers(
        users=np.asarray(table.column("user_id").to_pylist(), dtype=np.str_),
        cutoffs=table.column("event_timestamp").cast(pa.int64()).to_numpy(),
        purchases=table.column(PURCHASES).to_numpy().copy(),
        values=table.column(VALUE).to_numpy().copy(),
        vectors=to_matrix(table, features),
        features=features,
    )


def judged_days(dataset: Path) -> float:
    """Length of the label windows."""
    plan = json.loads(pq.read_schema(dataset).metadata[_PLAN])
    return float(plan["judged_days"])
