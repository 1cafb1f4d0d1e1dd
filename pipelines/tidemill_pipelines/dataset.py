"""The training set: one row per (user, cutoff), features as known then, label from after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill_features.engine import to_matrix

LABEL = "label"
SPLIT = "split"
TRAIN, TEST, CURRENT = "train", "test", "current"
"""Current rows are the population at the end of the log; their labels are not known yet."""
_KEYS = ("user_id", "event_timestamp", LABEL, SPLIT)


@dataclass(frozen=True)
class Rows:
    """One split of a training set."""

    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    """Microseconds since 1970."""
    labels: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    """[n, features], NaN where a value does not exist."""
    features: tuple[str, ...]

    def column(self, name: str) -> NDArray[np.float32]:
        return self.vectors[:, self.features.index(name)]


def read_split(dataset: Path, split: str) -> Rows:
    """Rows of `train`, `test` or `current`, ordered by cutoff and user."""
    table = pq.read_table(dataset, filters=[(SPLIT, "=", split)])
    features = tuple(name for name in table.column_names if name not in _KEYS)
    return Rows(
        users=np.asarray(table.column("user_id").to_pylist(), dtype=np.str_),
        cutoffs=table.column("event_timestamp").cast(pa.int64()).to_numpy(),
        labels=table.column(LABEL).to_numpy().astype(np.bool_),
        vectors=to_matrix(table, features),
        features=features,
    )


def label_rows(features: pa.Table, labels: NDArray[np.bool_], splits: Sequence[str]) -> pa.Table:
    """Feature rows with their label and split, ready for Parquet."""
    return features.append_column(LABEL, pa.array(labels)).append_column(
        SPLIT, pa.array(splits, pa.string())
    )
