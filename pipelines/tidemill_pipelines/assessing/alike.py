"""Factors of a segmentation in which nobody differs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import duckdb

from tidemill.objective import Objective
from tidemill.objective.duration import parse_duration
from tidemill.objective.segmenting import Factor
from tidemill_features.sql import condition, known_at, reads_items
from tidemill_pipelines.assessing.findings import Finding, blocking
from tidemill_pipelines.segmenting.readiness import declared_segmentation

_WHY = "A factor that is the same for everybody sets nobody apart, and training refuses it."
_DO = "leave it out, import what is missing, or let `within` reach further back"
_AMOUNTS = {"count": "count(*)", "value": "sum(e.value)"}
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
SELECT count(*) AS users, count(DISTINCT amount) AS amounts, max(amount) AS highest
FROM (SELECT coalesce(amount, 0)::FLOAT AS amount FROM members LEFT JOIN found USING (user_id))
"""


def judge_factors(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> Iterator[Finding]:
    """Counts of events and sums of their values; when something was last done differs always."""
    for factor in declared_segmentation(objective).factors:
        if factor.measure in _AMOUNTS:
            users, amounts, value = _amounts(con, objective, factor, at)
            if amounts < 2:
                seen = f"Factor '{factor.name}' is {value:g} for all of {users:,} users."
                yield blocking("factors", seen, _WHY, _DO, factor=factor.name, value=value)


def _amounts(
    con: duckdb.DuckDBPyConnection, objective: Objective, factor: Factor, at: datetime
) -> tuple[int, int, float]:
    """Users, how many amounts there are among them, and the highest."""
    query = _DIFFERING.format(
        known=known_at("$at", "e"),
        amount=_AMOUNTS[factor.measure],
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
