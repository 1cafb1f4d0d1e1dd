"""Who was exposed to which arm of an experiment, read from the prediction log's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.experiments.running import RunningArm
from tidemill_features.sql import DAY_US
from tidemill_monitoring.experiments.exposed_sql import (
    ASSIGNED,
    EXPOSED,
    assigned_query,
    exposed_query,
    joined_query,
    left_out_query,
    sizes_query,
)
from tidemill_monitoring.experiments.moments import Array

_PEOPLE = "people"
_PERSONS = """
CREATE OR REPLACE TEMP VIEW persons AS
SELECT user_id AS id, current_user_id AS person FROM merged_users
UNION ALL
SELECT o.id, MIN(o.user_id)
FROM identity_owners AS o ANTI JOIN merged_users AS m ON m.user_id = o.id
WHERE o.anonymous AND o.until IS NULL AND o.received_until IS NULL AND o.id <> o.user_id
GROUP BY o.id
"""


@dataclass(frozen=True)
class Asked:
    """Which experiment is looked at, and until when."""

    experiment: str
    arms: Sequence[RunningArm]
    """The control first."""
    started_at: datetime
    ended_at: datetime | None
    until: datetime
    """The end of the newest whole day (UTC)."""
    daily: bool = False
    """Whether the shares move every day, so that a unit is a user on a day."""

    @property
    def days(self) -> range:
        """Days (UTC, since 1970) from the start on."""
        return range(us_of(self.started_at) // DAY_US, max(us_of(self.until) // DAY_US, 0))

    @property
    def exposed_until(self) -> datetime:
        return self.until if self.ended_at is None else min(self.ended_at, self.until)


@dataclass(frozen=True)
class ExposureCounts:
    """How many were exposed, as they were assigned, and what does not count."""

    units: NDArray[np.int64]
    """[days, arms] ids first answered on each day."""
    answers: NDArray[np.int64]
    """[arms]"""
    crossed: int
    """Persons who were found in several arms."""
    joined: int
    """Ids that turned out to be another's."""
    without_id: int
    """Answers; so are the following."""
    outside: int
    """For ids that take no part."""
    unknown_arm: int
    fallbacks: int
    """Given by something else than what the arm should be served by; they count."""
    before: int
    after: int

    @property
    def cumulative(self) -> Array:
        """[days, arms]"""
        return self.units.cumsum(axis=0).astype(np.float64)


def find_exposed(con: duckdb.DuckDBPyConnection, asked: Asked) -> ExposureCounts:
    """Make the table `exposed(unit, arm, exposed_us)` of those in one arm, and count.

    `con` has the views of the event log and `exposures`.
    """
    first, end = us_of(asked.started_at), us_of(asked.exposed_until)
    con.register("arms", _numbered(asked.arms))
    _make(con, ASSIGNED, assigned_query(asked.experiment, first, end, daily=asked.daily))
    con.execute(_PERSONS)
    people, joined = ASSIGNED, _joined(con)
    if joined:
        people = _PEOPLE
        _make(con, people, joined_query())
    _make(con, EXPOSED, exposed_query(people))
    units, answers, _ = _sizes(con, ASSIGNED, asked)
    left_out = con.execute(
        left_out_query(asked.experiment, first, _end_of(asked), us_of(asked.until))
    ).fetchall()[0]
    crossed = _sizes(con, people, asked)[2]
    return ExposureCounts(units, answers, crossed, joined, *map(int, left_out))


def us_of(instant: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return round((instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)


def _end_of(asked: Asked) -> int:
    """Without an end, no answer is behind it."""
    return us_of(asked.until if asked.ended_at is None else asked.ended_at)


def _make(con: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def _numbered(arms: Sequence[RunningArm]) -> pa.Table:
    return pa.table(
        {
            "name": pa.array([arm.name for arm in arms]),
            "arm": pa.array(range(len(arms)), pa.int32()),
            "serve": pa.array([arm.serve for arm in arms]),
        }
    )


def _joined(con: duckdb.DuckDBPyConnection) -> int:
    found = con.execute(f"SELECT COUNT(*) FROM {ASSIGNED} SEMI JOIN persons USING (id)").fetchall()
    return int(found[0][0])


def _sizes(
    con: duckdb.DuckDBPyConnection, relation: str, asked: Asked
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """[days, arms] units, [arms] answers, and how many units crossed."""
    days = asked.days
    units = np.zeros((len(days), len(asked.arms)), dtype=np.int64)
    answers, crossed = np.zeros(len(asked.arms), dtype=np.int64), 0
    for arm, day, count, given, several in con.execute(sizes_query(relation)).fetchall():
        units[day - days.start, arm] += count
        answers[arm] += given
        crossed += several
    return units, answers, int(crossed)
