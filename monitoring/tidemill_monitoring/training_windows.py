"""The windows in which the champion was trained, from the feature rows that training left behind.

Campaigns, promotions and seasons moved features between them as well, and the model was found good
nevertheless. Rows that were cleaned up, or belong to another catalog, are simply not there.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill_features.engine import to_matrix
from tidemill_features.rows import read_rows, rows_file
from tidemill_monitoring.drift import Population
from tidemill_monitoring.inputs import MonitorInputs, lookback_days

MOST_WINDOWS = 3
"""The newest ones are enough, and each costs a comparison."""


def read_training_windows(inputs: MonitorInputs, compared: NDArray[np.intp]) -> list[Population]:
    """Oldest first; `compared` are the columns to keep, of which the last is the score.

    Windows from which the longest look-back would reach beyond the log's beginning are left out.
    """
    names = [inputs.metadata.features[column] for column in compared[:-1]]
    longest = max((lookback_days(name) for name in names), default=0)
    begin = min(inputs.daily_counts.first_seen, default=inputs.at) + timedelta(days=longest)
    cutoffs = sorted(datetime.fromisoformat(text) for text in inputs.metadata.training_cutoffs)
    known = [
        cutoff
        for cutoff in cutoffs
        if cutoff >= begin and rows_file(inputs.home, inputs.catalog, cutoff).exists()
    ]
    return [_read(inputs, cutoff, compared) for cutoff in known[-MOST_WINDOWS:]]


def _read(inputs: MonitorInputs, cutoff: datetime, compared: NDArray[np.intp]) -> Population:
    rows = read_rows(inputs.home, inputs.catalog, cutoff)
    metadata = inputs.metadata
    vectors = to_matrix(rows, metadata.features)
    recency = vectors[:, metadata.features.index(metadata.population.feature)]
    member = np.flatnonzero(metadata.population.contains(recency))
    users = np.asarray(rows.column("user_id").to_pylist(), dtype=np.str_)[member]
    scores = inputs.models.score(inputs.version, vectors[member])
    return with_scores(users, vectors[member], scores).take(slice(None), compared)


def with_scores(
    users: NDArray[np.str_], vectors: NDArray[np.float32], scores: NDArray[np.float64]
) -> Population:
    """The score as the last column."""
    return Population(users, np.column_stack([vectors, scores]).astype(np.float32, copy=False))
