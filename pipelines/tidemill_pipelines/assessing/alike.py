"""Factors of a segmentation in which nobody can differ."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb

from tidemill.objective import Objective
from tidemill.objective.duration import parse_duration
from tidemill.objective.segmenting import Factor
from tidemill_features.sql import condition, known_at, reads_items
from tidemill_pipelines.assessing.findings import Finding, blocking
from tidemill_pipelines.segmenting.readiness import declared_segmentation

_WHY = "A factor that is the same for everybody sets nobody apart, and training refuses it."


def judge_factors(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> Iterator[Finding]:
    """What is 0 for everybody: sums of values that no event carries, counts of no events."""
    for factor in declared_segmentation(objective).factors:
        if factor.measure in ("count", "value") and not _is_anything(con, factor, at):
            what = "a `value`" if factor.measure == "value" else "its events"
            within = f" within {factor.within}" if factor.within else ""
            seen = f"Factor '{factor.name}' is 0 for everybody: nobody has {what}{within}."
            do = "leave it out, import what is missing, or let `within` reach further back"
            yield blocking("factors", seen, _WHY, do, factor=factor.name)


def _is_anything(con: duckdb.DuckDBPyConnection, factor: Factor, at: datetime) -> bool:
    items = "LEFT JOIN items AS i USING (item_id)" if reads_items(factor.where) else ""
    length: timedelta | None = parse_duration(factor.within) if factor.within else None
    found = con.execute(
        f"SELECT 1 FROM user_events AS e {items} WHERE ($name IS NULL OR e.name = $name) "
        f"AND {known_at('$at', 'e')} AND ($since IS NULL OR e.timestamp >= $since) "
        f"AND ($counts OR e.value <> 0) AND {condition(factor.where)} LIMIT 1",
        {
            "name": factor.event,
            "at": at,
            "since": None if length is None else at - length,
            "counts": factor.measure == "count",
        },
    ).fetchone()
    return found is not None
