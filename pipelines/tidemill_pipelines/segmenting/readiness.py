"""Refuse before dividing: are there users, and do they differ in what was declared?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from tidemill.errors import NotReadyError
from tidemill.objective import Objective
from tidemill.objective.segmenting import PERIOD, Factor, Segmentation
from tidemill_features.sql import condition, known_at, reads_items
from tidemill_pipelines.readiness import first_event, near_names
from tidemill_pipelines.segmenting.choosing import SMALLEST_USERS

_LEAST_USERS = 5 * SMALLEST_USERS


@dataclass(frozen=True)
class SegmentReadiness:
    """Whom segments are looked for among, and where they are looked for again."""

    users: int
    older: datetime | None
    """None when the log does not reach back far enough."""
    note: str
    """Why there is no older data; empty when there is."""


def declared_segmentation(objective: Objective) -> Segmentation:
    """Raises TypeError for an objective of another type."""
    if objective.spec.segmentation is None:
        raise TypeError(f"'{objective.name}' is a {objective.type}, not a segmentation")
    return objective.spec.segmentation


def check_segment_readiness(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> SegmentReadiness:
    """Raises NotReadyError with what is missing. `con` has `user_events`, `events` and `items`."""
    first = first_event(con, at)
    for factor in declared_segmentation(objective).factors:
        _check_occurs(con, factor, at)
    users = _active(con, objective, at)
    if users < _LEAST_USERS:
        raise NotReadyError(
            f"{users} users have been active before {at:%Y-%m-%d}, and segments need at least "
            f"{_LEAST_USERS}",
            hint="a longer `population.active_within` takes in more",
        )
    period = objective.spec.training.every or PERIOD
    older = at - period
    if first > older - period or _active(con, objective, older) < _LEAST_USERS:
        note = (
            f"the log from {first:%Y-%m-%d} on is too short to look for the same segments in "
            f"what was known on {older:%Y-%m-%d}"
        )
        return SegmentReadiness(users, None, note)
    return SegmentReadiness(users, older, "")


def _check_occurs(con: duckdb.DuckDBPyConnection, factor: Factor, at: datetime) -> None:
    items = "LEFT JOIN items AS i USING (item_id)" if reads_items(factor.where) else ""
    found = con.execute(
        f"SELECT 1 FROM user_events AS e {items} WHERE ($name IS NULL OR e.name = $name) "
        f"AND {known_at('$at', 'e')} AND {condition(factor.where)} LIMIT 1",
        {"name": factor.event, "at": at},
    ).fetchone()
    if found is not None:
        return
    known = [name for (name,) in con.execute("SELECT DISTINCT name FROM events").fetchall()]
    is_named = factor.event is None or factor.event in known
    conditions = " and ".join(f"{key} = {value}" for key, value in factor.where.items())
    where = f" where {conditions}" if conditions else ""
    raise NotReadyError(
        f"factor '{factor.name}': '{factor.event or 'any event'}'{where} never occurs before "
        f"{at:%Y-%m-%d}, so nobody differs in it",
        hint="check the conditions of `where`"
        if is_named
        else near_names(factor.event or "", known),
    )


def _active(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> int:
    row = con.execute(
        "SELECT COUNT(DISTINCT e.user_id) FROM user_events AS e "
        f"WHERE {known_at('$at', 'e')} AND e.timestamp >= $since",
        {"at": at, "since": at - objective.spec.population.active_within},
    ).fetchone()
    return 0 if row is None else int(row[0])
