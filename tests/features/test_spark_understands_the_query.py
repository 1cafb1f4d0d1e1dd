"""The feature query is one text for every engine: it must be Spark SQL too, not only DuckDB's."""

import pytest
import sqlglot
from sqlglot import exp
from tidemill_features.catalog import Catalog, Signal
from tidemill_features.sql import feature_query

CATALOG = Catalog(
    (
        Signal(None),
        Signal("order"),
        Signal("order", {"item.brand": "O'Hare"}),
        Signal("visit", {"property.device type": "pho\\ne", "item.a": "b"}),
    )
)
SPARK_FUNCTIONS = {
    "BIT_COUNT", "BIT_OR", "COALESCE", "COUNT", "GET_JSON_OBJECT", "GREATEST", "LN", "MAX", "MIN",
    "SHIFTLEFT", "SUM", "UNIX_MICROS",
}  # fmt: skip
"""Those of https://spark.apache.org/docs/latest/api/sql/ that the query may use."""


@pytest.fixture(scope="module", params=[False, True], ids=["everybody", "some users"])
def spark_sql(request):
    query = feature_query(CATALOG, 3_600_000_000, only_users=request.param)
    strict = sqlglot.ErrorLevel.RAISE
    return sqlglot.transpile(query, read="duckdb", write="spark", unsupported_level=strict)[0]


def test_every_function_is_one_that_spark_has(spark_sql):
    """A function only DuckDB knows passes through a translation unnoticed."""
    tree = sqlglot.parse_one(spark_sql, read="spark")
    used = {call.sql(dialect="spark").split("(")[0] for call in tree.find_all(exp.Func)}
    words = {"CASE", "CAST", "TRY_CAST", "IF"}
    calls = {name for name in used if name.replace("_", "").isalnum() and " " not in name}
    assert calls - words <= SPARK_FUNCTIONS


def test_the_query_stays_the_same_when_read_back(spark_sql):
    """Spark's grammar takes every construct for what it was."""
    assert sqlglot.parse_one(spark_sql, read="spark").sql(dialect="spark") == spark_sql


def test_divisions_are_of_doubles(spark_sql):
    """Spark divides decimals where DuckDB divides doubles, and the last digit would differ."""
    divisors = [div.expression for div in sqlglot.parse_one(spark_sql).find_all(exp.Div)]
    assert divisors
    assert "86400000000.0" not in spark_sql
