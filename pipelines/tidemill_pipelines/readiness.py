"""Refuse before training: is there enough, and is it there at all?"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import numpy as np

from tidemill.errors import NotReadyError
from tidemill.objective import Objective, Target
from tidemill_features.labels import common_values, label_users, target_users_by_day
from tidemill_features.sql import condition, known_at, reads_items
from tidemill_pipelines.windows import Windows, plan_windows

_MIN_TEST_CLASS = 10
"""Fewer positives (or negatives) in the test window, and no comparison means anything."""


@dataclass(frozen=True)
class WindowCount:
    """One cutoff, counted."""

    cutoff: str
    users: int
    positives: int


@dataclass(frozen=True)
class Readiness:
    """What the data can carry."""

    windows: Windows
    counts: list[WindowCount]
    """Training cutoffs, then the test cutoff."""


def check_readiness(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> Readiness:
    """Count users and positives at every cutoff. Raises NotReadyError with the number that fails.

    `con` has the views `events`, `user_events` and `items`.
    """
    first = first_event(con, at)
    check_target_occurs(con, objective, at)
    training = objective.spec.training
    within = objective.target.within
    every = within if training.every is None else training.every
    windows = plan_windows(first, at, within, every, training.cutoffs)
    counts = [_count(con, objective, cutoff) for cutoff in windows.all]
    _check_counts(objective, counts)
    return Readiness(windows, counts)


def first_event(con: duckdb.DuckDBPyConnection, at: datetime) -> datetime:
    """Instant of the first event of anybody with an id. Raises NotReadyError if there is none."""
    of_users, of_anybody = (
        con.execute(
            f"SELECT MIN(timestamp) FROM {events} WHERE timestamp < $at", {"at": at}
        ).fetchall()[0][0]
        for events in ("user_events", "events")
    )
    if of_anybody is None:
        raise NotReadyError(
            f"the event log has no event before {at:%Y-%m-%d}",
            hint="import events with `tidemill events import PATH`",
        )
    if of_users is None:
        raise NotReadyError(
            "no event carries a user_id, so nobody's past can be joined to their future",
            hint="import events with a user_id",
        )
    earliest: datetime = of_users.astimezone(UTC)
    return earliest


def check_target_occurs(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> None:
    """Raise NotReadyError if the target's event never occurs before `at`, and say what does."""
    target = objective.target
    days = target_users_by_day(con, target)
    label = f"'{target.event or 'any event'}'"
    if target.where:
        label += " where " + " and ".join(f"{k} = {v}" for k, v in target.where.items())
    if not days and target.where:
        _explain_conditions(con, target)
    if not days:
        names = [name for (name,) in con.execute("SELECT DISTINCT name FROM events").fetchall()]
        hint = near_names(target.event or "", names)
        raise NotReadyError(f"{label} never occurs in the event log (0 events)", hint=hint)
    first_day = days[0][0]
    if first_day >= at.date():
        raise NotReadyError(
            f"the first {label} is on {first_day}, not before {at:%Y-%m-%d}: nothing to learn from",
            hint="wait for outcomes, or check the clock of the source that sent them",
        )


def near_names(event: str, names: Sequence[str]) -> str:
    """A hint naming the event that was meant, or all there are."""
    near = difflib.get_close_matches(event, names, n=1, cutoff=0.4)
    return f"did you mean '{near[0]}'?" if near else f"known events: {', '.join(sorted(names))}"


def _explain_conditions(con: duckdb.DuckDBPyConnection, target: Target) -> None:
    """Raise NotReadyError if the event occurs but never meets `where`; say what it does have."""
    plain = Target(target.event, {}, target.within, target.absent)
    if not target_users_by_day(con, plain):
        return
    wanted = " and ".join(f"{key} = {value}" for key, value in target.where.items())
    values = {key: common_values(con, target.event, key) for key in target.where}
    found = "; ".join(f"{k} is {', '.join(v) if v else 'never set'}" for k, v in values.items())
    origin = "; item attributes come from `tidemill items import`"
    raise NotReadyError(
        f"'{target.event or 'any event'}' occurs, but never where {wanted}",
        hint=found + (origin if reads_items(target.where) else ""),
    )


def _count(con: duckdb.DuckDBPyConnection, objective: Objective, cutoff: datetime) -> WindowCount:
    users = active_users(con, objective, cutoff)
    positives = int(np.sum(label_users(con, objective.target, cutoff, users)))
    return WindowCount(cutoff.isoformat(), len(users), positives)


def active_users(
    con: duckdb.DuckDBPyConnection, objective: Objective, cutoff: datetime
) -> list[str]:
    """Users with the population's event in `active_within` before the cutoff, as known then."""
    target = objective.target
    where = target.where if target.absent else {}
    name = target.event if target.absent else None
    items = "LEFT JOIN items AS i USING (item_id)" if reads_items(where) else ""
    rows = con.execute(
        f"SELECT DISTINCT e.user_id FROM user_events AS e {items} "
        "WHERE ($name IS NULL OR e.name = $name) "
        f"AND {known_at('$cutoff', 'e')} AND e.timestamp >= $since AND {condition(where)}",
        {
            "name": name,
            "cutoff": cutoff,
            "since": cutoff - objective.spec.population.active_within,
        },
    ).fetchall()
    return [user for (user,) in rows]


def _check_counts(objective: Objective, counts: list[WindowCount]) -> None:
    *train, test = counts
    minimum = objective.spec.training.minimum_positives
    positives = sum(count.positives for count in train)
    negatives = sum(count.users - count.positives for count in train)
    for kind, found in (("positive", positives), ("negative", negatives)):
        if found < minimum:
            raise NotReadyError(
                f"{found} {kind} outcomes in {len(train)} training windows, and `training."
                f"minimum_positives` asks for {minimum}",
                hint=f"{_more(objective.target, kind)}, and so do more cutoffs: "
                "`training.cutoffs`, `training.every`, or older events",
            )
    for kind, found in (("positive", test.positives), ("negative", test.users - test.positives)):
        if found < _MIN_TEST_CLASS:
            raise NotReadyError(
                f"{found} {kind} outcomes in the test window from {test.cutoff[:10]}, fewer than "
                f"{_MIN_TEST_CLASS}: no model could be judged",
                hint=_more(objective.target, kind),
            )


def _more(target: Target, kind: str) -> str:
    """A positive outcome is that something happens, or, of a churn, that nothing does."""
    if (kind == "positive") != target.absent:
        return "a longer `within` or a more frequent event gives more"
    return "a shorter `within` or a rarer event gives more"
