"""The queries of an analysis are one text for every engine: Spark SQL too, not only DuckDB's."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlglot
from experiment_log_kit import day

from tidemill_monitoring.experiments.exploring import labels_query
from tidemill_monitoring.experiments.exposed_sql import (
    assigned_query,
    exposed_query,
    joined_query,
    left_out_query,
    sizes_query,
)
from tidemill_monitoring.experiments.measured_sql import (
    LABEL,
    cap_query,
    closes,
    moments_query,
    outcomes_query,
    units_query,
)
from tidemill_monitoring.experiments.metrics import Amount, Metric

SPENT = Amount("O'Hare", {"property.kind of": "a", "item.brand": "b"}, "property.points")
METRIC = Metric("m", "ratio", SPENT, Amount("visit", {}, None), timedelta(days=2), 0.99)
ONCE = Metric("n", "conversion", Amount(None, {}, None), None, timedelta(hours=7), None)
DAYS = range(19_700, 19_720)
QUERIES = {
    "assigned": assigned_query("shop-1", 1, 2, daily=False),
    "assigned daily": assigned_query("shop-1", 1, 2, daily=True),
    "joined": joined_query(),
    "exposed": exposed_query("assigned"),
    "sizes": sizes_query("assigned"),
    "left out": left_out_query("shop-1", 1, 2, 3),
    "outcomes": outcomes_query(METRIC, day(0), day(9), day(9)),
    "conversions": outcomes_query(ONCE, day(0), day(9), day(9)),
    "cap": cap_query(METRIC, DAYS),
    "moments": moments_query(METRIC, 9.5, DAYS, closes(METRIC)),
    "segments": moments_query(METRIC, None, DAYS, LABEL),
    "units": units_query(METRIC, DAYS, closes(METRIC)),
    "known and new": labels_query(None),
    "by a property": labels_query("property.country"),
    "units of segments": units_query(METRIC, DAYS, LABEL),
}
SPARK_FUNCTIONS = {
    *("ABS", "COALESCE", "COUNT", "GET_JSON_OBJECT", "GREATEST", "LEAST", "MAX", "MAX_BY", "MIN"),
    *("PERCENTILE_APPROX", "SUM", "UNIX_MICROS"),
}
"""Those of https://spark.apache.org/docs/latest/api/sql/ that the queries use. Spark has
PERCENTILE_DISC as well; the translator writes what it is to a ten-thousandth."""
_WORDS = {
    "AS",
    "JOIN",
    "AND",
    "CAST",
    "TRY_CAST",
    "DECIMAL",
    "FROM",
    "GROUP",
    "WHERE",
    "WHEN",
    "THEN",
    "IN",
}


@pytest.fixture(params=QUERIES, ids=lambda name: name)
def spark_sql(request):
    strict = sqlglot.ErrorLevel.RAISE
    return sqlglot.transpile(
        QUERIES[request.param], read="duckdb", write="spark", unsupported_level=strict
    )[0]


def test_every_function_is_one_that_spark_has_too(spark_sql) -> None:
    """A function only DuckDB knows would pass through the translation unnoticed."""
    called = set(re.findall(r"\b([A-Z_]+)\s?\(", spark_sql))
    assert called - _WORDS <= SPARK_FUNCTIONS


def test_spark_reads_the_translation_back(spark_sql) -> None:
    """Every construct is in Spark's grammar, and means the same there."""
    assert sqlglot.parse_one(spark_sql, read="spark").sql(dialect="spark") == spark_sql
