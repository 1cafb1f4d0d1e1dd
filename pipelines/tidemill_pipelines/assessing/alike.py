"""Factors of a segmentation in which nobody differs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import isnan

import duckdb

from tidemill.objective import Objective
from tidemill.objective.duration import parse_duration
from tidemill.objective.segmenting import Factor
from tidemill_features.sql import amount_of, condition, known_at, reads_items
from tidemill_pipelines.assessing.findings import Finding, blocking
from tidemill_pipelines.segmenting.readiness import declared_segmentation

_WHY = "A factor that is the same for everybody sets nobody apart, and training refuses it."
_DO = "leave it out, import what is missing, or let `within` reach further back"
_NEVER = "'nan'::FLOAT"
# What is measured of a user, and what it is for who has no such event. Weeks and sums as features
# have them; NaN equals itself.
_MEASURES = {
    "count": ("count(*)", "0"),
    "value": (f"sum({amount_of('value')})", "0"),
    "recency": ("(epoch_us($at) - epoch_us(max(e.timestamp))) / 8.64e10", _NEVER),
    "weeks": (
        "count(DISTINCT (epoch_us($at) - epoch_us(e.timestamp)) // 604_800_000_000) "
        "FILTER (e.timestamp > $at - INTERVAL 112 DAY)",
        "0",
    ),
}
_DIFFERING = """
WITH members AS (
    SELECT DISTINCT e.user_id FROM user_events AS e
    WHERE {known} AND e.timestamp >= $active_since
),
found AS (
    SELECT e.user_id, {amount} AS amount FROM user_events AS e {items}
    WHERE ($name IS NULL OR e.name = $name) AND {known}
        AND ($since IS NULL OR e.timestamp >= $since) AND {condition}
    GROUP BY e.user_id
)
SELECT count(*) AS users, count(DISTINCT amount) AS amounts, max(amount) AS highest FROM (
    SELECT coalesce(amount::FLOAT, {absent}) AS amount FROM members LEFT JOIN found USING (user_id)
)
"""


def judge_factors(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> Iterator[Finding]:
    """Whatever is measured, among those who would be divided."""
    for factor in declared_segmentation(objective).factors:
        users, amounts, value = _amounts(con, objective, factor, at)
        if amounts < 2:
            same = "known for none" if isnan(value) else f"{value:g} for all"
            seen = f"Factor '{factor.name}' is {same} of {users:,} users."
            yield blocking("factors", seen, _WHY, _DO, factor=factor.name, value=value)


def _amounts(
    con: duckdb.DuckDBPyConnection, objective: Objective, factor: Factor, at: datetime
) -> tuple[int, int, float]:
    """Users, how many amounts there are among them, and the highest."""
    amount, absent = _MEASURES[factor.measure]
    query = _DIFFERING.format(
        known=known_at("$at", "e"),
        amount=amount,
        absent=absent,
        items="LEFT JOIN items AS i USING (item_id)" if reads_items(factor.where) else "",
        condition=condition(factor.where),
    )
    values = {
        "name": factor.event,
        "at": at,
        "active_since": at - objective.spec.population.active_within,
        "since": at - parse_duration(factor.within) if factor.within else None,
    }
    ((users, amounts, highest),) = con.execute(query, values).fetchall()
    return users, amounts, highest
