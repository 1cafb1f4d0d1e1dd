"""What can be said of a customer's value without a model; a model has to beat the best of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.valuing.customers import HistoryColumns
from tidemill_pipelines.valuing.dataset import Customers

Values = NDArray[np.float64]
RECENCY, AS_BEFORE = "recency alone", "spending as before"
_TENTHS = 10


def simple_rules(
    train: Customers, rows: Customers, columns: HistoryColumns, days: float
) -> dict[str, Values]:
    """Values of `rows` within `days`, by the rule's name."""
    return {
        RECENCY: _by_recency(train, rows, columns),
        AS_BEFORE: _as_before(rows, columns, days),
    }


def _by_recency(train: Customers, rows: Customers, columns: HistoryColumns) -> Values:
    """What customers of the training windows spent who had been silent for as long, by tenths."""
    silence, now = (each.vectors[:, columns.since_last] for each in (train, rows))
    edges = np.unique(np.quantile(silence, np.arange(1, _TENTHS) / _TENTHS))
    tenth, mine = (np.searchsorted(edges, each) for each in (silence, now))
    counts = np.bincount(tenth, minlength=_TENTHS)
    sums = np.bincount(tenth, train.values, minlength=_TENTHS)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), train.values.mean())
    return np.asarray(np.maximum(means, 0.0)[mine], np.float64)


def _as_before(rows: Customers, columns: HistoryColumns, days: float) -> Values:
    """What a customer has spent, spread over the time since the first purchase, but at least over
    the window, goes on."""
    spent = np.maximum(rows.vectors[:, columns.value].astype(np.float64), 0)
    age = np.maximum(rows.vectors[:, columns.since_first].astype(np.float64), days)
    expected = spent / age * days
    return np.maximum(expected, 0.01 * max(float(expected.mean()), 1e-9))
