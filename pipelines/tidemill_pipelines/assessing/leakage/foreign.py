"""The audit of a training table that was made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidemill.objective import Objective
from tidemill_features.instants import in_microseconds
from tidemill_pipelines.assessing.findings import Finding
from tidemill_pipelines.assessing.leakage import saying
from tidemill_pipelines.assessing.leakage.absent import find_absence, unknown_then
from tidemill_pipelines.assessing.leakage.around import Around, look_around
from tidemill_pipelines.assessing.leakage.copies import Copies, find_copies
from tidemill_pipelines.assessing.leakage.power import Power, rarer_of, too_powerful
from tidemill_pipelines.assessing.leakage.present import changed, comparable, told_apart
from tidemill_pipelines.assessing.leakage.reach import Reach, reaching
from tidemill_pipelines.assessing.leakage.regression import folds_of, probabilities
from tidemill_pipelines.assessing.leakage.table import NEVER, TrainingTable, read_training_table

MOST_ROWS = 8_000
"""That are compared with the log: more cost minutes and find no more."""
_STAMPED = 0.001
"""Share of rows with an instant behind their cutoff that a clock's error may explain."""


def audit_table(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime, path: Path
) -> list[Finding]:
    """Every leak that a table shows by itself, and beside the event log of the same users.

    `con` has the views of the home's event log, `at` is its end. Raises EventLogError for a file
    that is no training table.
    """
    return audit(con, objective, at, read_training_table(path))


def audit(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime, table: TrainingTable
) -> list[Finding]:
    """As `audit_table`, of a table that is read already."""
    return list(_Audit(con, objective, at, table).findings())


@dataclass(frozen=True)
class _Audit:
    con: duckdb.DuckDBPyConnection
    objective: Objective
    at: datetime
    whole: TrainingTable

    def findings(self) -> Iterator[Finding]:
        yield self._described()
        yield saying.of_stamps(self._stamped(), len(self.whole.users))
        yield saying.of_open_horizons(self._open(), len(self.whole.users))
        yield saying.of_copies(self._copies(), len(self.whole.users))
        yield saying.of_users(self._unknown(), self._rows_of_the_log)
        yield saying.of_absence(find_absence(self.con, self.objective, self.at, self.whole))
        reached = self._reaching()
        yield saying.of_reach(reached)
        yield saying.of_power(self._powerful())
        yield from self._now({reach.column for reach in reached or []})

    @cached_property
    def table(self) -> TrainingTable:
        """All rows of as many users, drawn at random, as make at most MOST_ROWS."""
        users, counts = np.unique(self.whole.users, return_counts=True)
        drawn = np.random.default_rng(0).permutation(len(users))
        few = users[drawn[np.cumsum(counts[drawn]) <= MOST_ROWS]]
        return self.whole.where(np.isin(self.whole.users, few))

    @cached_property
    def around(self) -> Around:
        """Of the rows of `table`."""
        return look_around(self.con, self.objective.target, self.at, self.table)

    @cached_property
    def _rows_of_the_log(self) -> int:
        return int(self.around.seen.sum())

    @cached_property
    def _has_log(self) -> bool:
        """Whether the log knows most of the users; it says nothing of a table of others."""
        return bool(self.around.seen.mean() >= 1 / 2)

    @cached_property
    def _known(self) -> NDArray[np.float64]:
        """Probabilities by the log's past alone, of the labelled rows."""
        rows = self.table.labelled
        rarer = rarer_of(self.table.labels[rows])
        folds = folds_of(self.table.users[rows])
        return probabilities(self.around.past.values[rows], rarer, folds)

    def _described(self) -> Finding:
        whole = self.whole
        columns = {*whole.origins.values(), *whole.stamps}
        users = len(np.unique(whole.users))
        return saying.of_table(len(whole.users), users, sorted(columns), whole.unread)

    def _stamped(self) -> dict[str, int]:
        late = {
            name: int(((stamps >= self.whole.cutoffs) & (stamps != NEVER)).sum())
            for name, stamps in self.whole.stamps.items()
        }
        return {n: rows for n, rows in late.items() if rows > _STAMPED * len(self.whole.users)}

    def _open(self) -> int:
        horizon = int(self.objective.target.within.total_seconds() * 1_000_000)
        closes = self.whole.cutoffs + horizon
        return int((self.whole.labelled & (closes > in_microseconds(self.at))).sum())

    def _copies(self) -> Copies:
        if not self._has_log or len(self.table.users) < len(self.whole.users):
            return find_copies(self.whole, None)
        return find_copies(self.whole, self.around.past.values[:, self._ever])

    @cached_property
    def _ever(self) -> int:
        return self.around.past.names.index("any event, ever")

    def _unknown(self) -> int:
        return int(unknown_then(self.around.known, self.around.seen).sum())

    def _reaching(self) -> list[Reach] | None:
        """None where the log, or the number of users, allows no answer."""
        if not self._has_log:
            return None
        rows = self.table.labelled & self.around.seen
        horizon = int(self.objective.target.within.total_seconds() * 1_000_000)
        ends = self.table.cutoffs[rows] + 2 * horizon <= in_microseconds(self.at)
        return reaching(self.table.where(rows), self.around.where(rows), ends)

    def _powerful(self) -> list[tuple[str, Power]]:
        """With the column's name in the file."""
        rows = self.table.where(self.table.labelled)
        found = too_powerful(rows.columns, rows.labels, rows.cutoffs, self._expectation)
        return [(rows.origins[power.column], power) for power in found]

    def _expectation(self, column: str) -> NDArray[np.float64]:
        """Of the labelled rows: by the log, or without one by the table's other columns."""
        if self._has_log:
            return self._known
        rows = self.table.where(self.table.labelled)
        others = rows.without({rows.origins[column]}).matrix().astype(np.float64)
        return probabilities(others, rarer_of(rows.labels), folds_of(rows.users))

    def _now(self, flagged: set[str]) -> Iterator[Finding]:
        table = self.table
        rows = comparable(table.cutoffs, table.labelled)
        if rows is None:
            yield saying.without_now(bool(table.labelled.all()))
            return
        own = self.around.past.values if self._has_log else None
        usual = np.empty((len(table.users), 0)) if own is None else own
        found = changed(table.columns, usual, rows)
        yield saying.of_changes([(table.origins[change.column], change) for change in found])
        left = table.without(flagged)
        now, before = told_apart(left.matrix().astype(np.float64), left.users, rows)
        by_log = None if own is None else told_apart(own, table.users, rows)[0]
        yield saying.of_classifier(now, before, by_log)
