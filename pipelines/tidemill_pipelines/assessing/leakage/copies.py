"""Rows that are there twice: a model that has learnt a row by heart is judged on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.assessing.leakage.table import TrainingTable

Bools = NDArray[np.bool_]
_CHANGING = 0.05
"""Share of a user's neighbouring rows in which a column that follows the user's doings changes."""
_RARE = 5
"""Rows that may share a value which marks a row as itself."""
_FEWEST_VALUES = 3
"""Columns in which a row must have something before two equal rows are copies."""


@dataclass(frozen=True)
class Copies:
    """Rows to leave out; shape [n] each."""

    repeated: Bools
    """Of a user and a cutoff that are there already."""
    copied: Bools
    """Of another user or cutoff, with the values of a row that is there already."""
    across: int
    """Those of either kind that a model would learn from, and be judged on their like."""


def find_copies(table: TrainingTable, progress: NDArray[np.float64] | None) -> Copies:
    """Rows that are there once more; of equal ones the first row to be judged on is kept.

    `progress` [n] counts what the log knew of each row's user. Two rows of one user between which
    nothing happened are rightly equal, and without a log that is taken for granted.
    """
    judged = table.is_test
    order = np.lexsort((np.arange(len(judged)), ~judged))
    keys = np.unique(
        np.column_stack([table.users.astype(np.str_), table.cutoffs.astype(np.str_)]),
        axis=0,
        return_inverse=True,
    )[1].ravel()
    repeated, across = _all_but_first(keys, order, judged)
    copied, also_across = _copied(table, judged, order, repeated, progress)
    return Copies(repeated, copied, across + also_across)


def _all_but_first(
    groups: NDArray[np.int64], order: NDArray[np.intp], judged: Bools
) -> tuple[Bools, int]:
    again = np.ones(len(groups), dtype=np.bool_)
    _, firsts = np.unique(groups[order], return_index=True)
    again[order[firsts]] = False
    judged_groups = np.unique(groups[judged])
    return again, int((again & np.isin(groups, judged_groups) & ~judged).sum())


def _copied(
    table: TrainingTable,
    judged: Bools,
    order: NDArray[np.intp],
    repeated: Bools,
    progress: NDArray[np.float64] | None,
) -> tuple[Bools, int]:
    copied = np.zeros(len(judged), dtype=np.bool_)
    matrix = table.matrix()[:, _changing(table)]
    if matrix.shape[1] < _FEWEST_VALUES:
        return copied, 0
    first_of: dict[bytes, int] = {}
    across = 0
    for row in order[(~repeated & _marked(matrix))[order]]:
        first = first_of.setdefault(matrix[row].tobytes(), int(row))
        if first == row or not _is_copy(table, progress, first, int(row)):
            continue
        copied[row] = True
        across += int(judged[first] and not judged[row])
    return copied, across


def _is_copy(
    table: TrainingTable, progress: NDArray[np.float64] | None, first: int, row: int
) -> bool:
    if table.users[first] != table.users[row]:
        return True
    return progress is not None and bool(progress[first] != progress[row])


def _changing(table: TrainingTable) -> list[int]:
    """Columns that follow what users do; all of them where no user is there twice."""
    order = np.lexsort((table.cutoffs, table.users))
    same = table.users[order][1:] == table.users[order][:-1]
    if not same.any():
        return list(range(len(table.columns)))
    changes = []
    for values in table.columns.values():
        here = values[order]
        moved = (here[1:] != here[:-1]) & ~(np.isnan(here[1:]) & np.isnan(here[:-1]))
        changes.append(moved[same].mean())
    return [index for index, share in enumerate(changes) if share >= _CHANGING]


def _marked(matrix: NDArray[np.float32]) -> Bools:
    """Rows with a value that few others have, beside others that are not zero or missing."""
    rare = np.zeros(len(matrix), dtype=np.bool_)
    filled = np.zeros(len(matrix), dtype=np.int64)
    for column in matrix.T:
        _, of, counts = np.unique(column, return_inverse=True, return_counts=True)
        something = ~np.isnan(column) & (column != 0)
        rare |= something & (counts[of] <= _RARE)
        filled += something
    return rare & (filled >= _FEWEST_VALUES)
