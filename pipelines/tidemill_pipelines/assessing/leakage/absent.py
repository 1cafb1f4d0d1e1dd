"""Rows that are not there: whoever left the table because of what came later leaves it biased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidemill.objective import Objective
from tidemill_features.instants import in_microseconds
from tidemill_features.labels import label_users
from tidemill_pipelines.assessing.leakage.around import look_around
from tidemill_pipelines.assessing.leakage.regression import folds_of, probabilities
from tidemill_pipelines.assessing.leakage.table import TrainingTable
from tidemill_pipelines.readiness import active_users

_MOST_CUTOFFS = 4
_MOST_ROWS = 4_000
_FEWEST_ROWS = 50
"""Of a cutoff, in the table."""
_SHARE = 0.05
"""Of the population that must be missing."""
_TIED = 0.1
"""Correlation of being there with the outcome, beyond what is known at the cutoff."""
_SURE = 6.0


@dataclass(frozen=True)
class Absence:
    """The users whom the log knows and the table does not have."""

    population: int
    """Users active at the table's cutoffs, by the log; a user counts once for each cutoff."""
    absent: int
    rate_there: float
    """Of positive outcomes among those in the table, by the log."""
    rate_absent: float
    tied: float
    """Correlation of being there with the outcome, beyond what is known at the cutoff."""
    chosen_by_outcome: bool


def find_absence(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime, table: TrainingTable
) -> Absence | None:
    """None where no cutoff of the table has a closed horizon, rows enough and users of the log."""
    parts = [
        _population(con, objective, cutoff, table) for cutoff in _cutoffs(objective, at, table)
    ]
    if not any(part.there.any() for part in parts):
        return None
    everybody = _joined(parts)
    there, labels = everybody.there, everybody.labels
    absent = int((~there).sum())
    rates = [float(labels[rows].mean()) if rows.any() else float("nan") for rows in (there, ~there)]
    tied, sure = 0.0, False
    if absent >= max(_SHARE * len(there), _FEWEST_ROWS):
        tied, sure = _tie(con, objective, at, everybody)
    return Absence(len(there), absent, rates[0], rates[1], tied, sure)


def _cutoffs(objective: Objective, at: datetime, table: TrainingTable) -> list[int]:
    """The fullest cutoffs, whose outcomes are known."""
    values, counts = np.unique(table.cutoffs[table.labelled], return_counts=True)
    closed = values + int(objective.target.within.total_seconds() * 1_000_000)
    full = (counts >= _FEWEST_ROWS) & (closed <= in_microseconds(at))
    order = np.argsort(-counts[full], kind="stable")[:_MOST_CUTOFFS]
    return [int(value) for value in values[full][order]]


@dataclass(frozen=True)
class _Population:
    """Everybody who was active at some cutoffs, by the log; arrays of the shape [n]."""

    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    there: NDArray[np.bool_]
    """Whether they are in the table."""
    labels: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.int64]) -> _Population:
        return _Population(
            self.users[chosen], self.cutoffs[chosen], self.there[chosen], self.labels[chosen]
        )


def _population(
    con: duckdb.DuckDBPyConnection, objective: Objective, cutoff: int, table: TrainingTable
) -> _Population:
    instant = datetime.fromtimestamp(cutoff / 1e6, UTC)
    users = sorted(active_users(con, objective, instant))
    labels = label_users(con, objective.target, instant, users)
    names = np.asarray(users, dtype=np.str_)
    there = np.isin(names, table.users[table.cutoffs == cutoff])
    return _Population(names, np.full(len(users), cutoff, dtype=np.int64), there, labels)


def _joined(parts: list[_Population]) -> _Population:
    return _Population(
        np.concatenate([part.users for part in parts]),
        np.concatenate([part.cutoffs for part in parts]),
        np.concatenate([part.there for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _tie(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime, everybody: _Population
) -> tuple[float, bool]:
    """A table may hold whom it likes by what is known; what that leaves of outcome and of being
    there must not go together (the residual test of Shah & Peters 2020)."""
    drawn = np.random.default_rng(0).permutation(len(everybody.users))[:_MOST_ROWS]
    some = everybody.where(drawn)
    labelled = np.ones(len(drawn), dtype=np.bool_)
    rows = TrainingTable(some.users, some.cutoffs, some.labels, labelled, {}, {}, {}, None)
    past = look_around(con, objective.target, at, rows).past.values
    folds = folds_of(some.users)
    there, labels = (
        values - probabilities(past, values, folds) for values in (some.there, some.labels)
    )
    both = there * labels
    tied = float(both.mean() / (there.std() * labels.std() + 1e-12))
    sure = abs(both.mean()) / (both.std() / np.sqrt(len(both)) + 1e-12)
    return tied, bool(abs(tied) >= _TIED and sure >= _SURE)


def unknown_then(known: NDArray[np.bool_], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows of users of whom nothing was known at the cutoff, and something is by now."""
    return seen & ~known
