"""Refuse before training: are there customers enough, and do they come back?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import numpy as np

from tidemill.errors import NotReadyError
from tidemill.objective import Objective
from tidemill_features.instants import in_microseconds
from tidemill_features.purchases import carries_values, count_purchases, fields_with_values
from tidemill_features.sql import condition, known_at, reads_items
from tidemill_pipelines.readiness import WindowCount, check_target_occurs, first_event
from tidemill_pipelines.valuing.customers import value_of
from tidemill_pipelines.valuing.windows import ValueWindows, plan_value_windows

_LEAST_TEST_BUYERS = 10
"""With fewer who bought again in the test window, no comparison means anything."""
_SHOWN = 5


@dataclass(frozen=True)
class ValueReadiness:
    """What the data can carry."""

    windows: ValueWindows
    counts: list[WindowCount]
    """Training cutoffs, then the test cutoff; positives are those who bought again."""


def check_value_readiness(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> ValueReadiness:
    """Count customers at every cutoff. Raises NotReadyError with the number that falls short."""
    first = first_event(con, at)
    check_target_occurs(con, objective, at)
    block, training = value_of(objective), objective.spec.training
    if not carries_values(con, objective.target, block.value):
        raise NotReadyError(
            f"no '{block.event}' carries a number in `{block.value}`, so none is worth anything",
            hint=_named(fields_with_values(con, objective.target)),
        )
    windows = plan_value_windows(first, at, block.within, training.every, training.cutoffs)
    cutoffs = (*windows.train, windows.test)
    found = [_count(con, objective, windows, cutoff) for cutoff in cutoffs]
    counts = [count for count, _ in found]
    _check_counts(objective, counts)
    *earlier, newest = (worth for _, worth in found)
    _check_worth("training windows", sum(earlier))
    _check_worth(f"test window from {windows.test:%Y-%m-%d}", newest)
    return ValueReadiness(windows, counts)


def _count(
    con: duckdb.DuckDBPyConnection, objective: Objective, windows: ValueWindows, cutoff: datetime
) -> tuple[WindowCount, float]:
    """Customers, those who bought again, and what all of that was worth."""
    users = _customers(con, objective, cutoff)
    target = replace(objective.target, within=windows.judged)
    instants = [in_microseconds(cutoff)] * len(users)
    bought = count_purchases(con, target, value_of(objective).value, users, instants)
    again = int(np.sum(bought.counts > 0))
    return WindowCount(cutoff.isoformat(), len(users), again), float(bought.values.sum())


def _check_worth(windows: str, worth: float) -> None:
    if worth > 0:
        return
    raise NotReadyError(
        f"what customers bought in the {windows} is worth {worth:,.2f} in all, so nothing can be "
        "told apart",
        hint="name in `lifetime_value.value` a property that is positive for a purchase; negative "
        "values lower what a customer has spent",
    )


def _customers(con: duckdb.DuckDBPyConnection, objective: Objective, cutoff: datetime) -> list[str]:
    """Who bought in `active_within` before the cutoff, as known then."""
    target = objective.target
    items = "LEFT JOIN items AS i USING (item_id)" if reads_items(target.where) else ""
    rows = con.execute(
        f"SELECT DISTINCT e.user_id FROM user_events AS e {items} WHERE e.name = $name "
        f"AND {known_at('$cutoff', 'e')} AND e.timestamp >= $since AND {condition(target.where)}",
        {
            "name": target.event,
            "cutoff": cutoff,
            "since": cutoff - objective.spec.population.active_within,
        },
    ).fetchall()
    return [user for (user,) in rows]


def _check_counts(objective: Objective, counts: list[WindowCount]) -> None:
    *train, test = counts
    minimum = objective.spec.training.minimum_positives
    found = sum(count.positives for count in train)
    if found < minimum:
        raise NotReadyError(
            f"{found} customers bought again in {len(train)} training windows, and `training."
            f"minimum_positives` asks for {minimum}",
            hint=more_buyers(sum(count.users for count in train), minimum),
        )
    if test.positives < _LEAST_TEST_BUYERS:
        raise NotReadyError(
            f"{test.positives} of {test.users} customers bought again in the test window from "
            f"{test.cutoff[:10]}, fewer than {_LEAST_TEST_BUYERS}: no model could be judged",
            hint=more_buyers(test.users, _LEAST_TEST_BUYERS),
        )


def more_buyers(customers: int, needed: int) -> str:
    """What gives more customers who buy again: of too few, more time makes no more."""
    if customers < needed:
        return (
            f"{needed} take more customers than these {customers}: import older events, let "
            "`population.active_within` reach further back, or wait for them"
        )
    return "a longer `within`, a longer `population.active_within` or older events give more"


def _named(fields: Sequence[str]) -> str:
    if not fields:
        return "import purchases with values"
    shown = ", ".join(f"`{field}`" for field in fields[:_SHOWN])
    return f"name what holds one in `lifetime_value.value`: {shown}; or import values"
