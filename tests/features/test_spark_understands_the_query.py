"""The feature query is one text for every engine: it must be Spark SQL too, not only DuckDB's."""

import re

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
        Signal("order", {}, "value"),
        Signal("order", {"property.kind": "web"}, "property.paid"),
    )
)
SPARK_FUNCTIONS = {
    *("BIT_COUNT", "BIT_OR", "COALESCE", "COUNT", "GET_JSON_OBJECT", "GREATEST", "LN", "MAX"),
    *("MIN", "SHIFTLEFT", "SUM", "UNIX_MICROS"),
}
"""Those of https://spark.apache.org/docs/latest/api/sql/ that the query uses."""
_WORDS = {"AS", "THEN", "IN", "USING", "VALUES", "DECIMAL", "CAST", "TRY_CAST", "FROM", "AND"}


@pytest.fixture(scope="module", params=[False, True], ids=["everybody", "some users"])
def spark_sql(request):
    query = feature_query(CATALOG, 3_600_000_000, only_users=request.param)
    strict = sqlglot.ErrorLevel.RAISE
    return sqlglot.transpile(query, read="duckdb", write="spark", unsupported_level=strict)[0]


def test_every_function_is_one_that_spark_has(spark_sql):
    """A function only DuckDB knows would pass through the translation unnoticed."""
    called = set(re.findall(r"\b([A-Z_]+)\s?\(", spark_sql))
    assert called - _WORDS == SPARK_FUNCTIONS


def test_spark_reads_back_what_was_translated(spark_sql):
    """Every construct is in Spark's grammar, and means the same there."""
    assert sqlglot.parse_one(spark_sql, read="spark").sql(dialect="spark") == spark_sql


def test_divisions_are_of_doubles(spark_sql):
    """Spark divides decimals where DuckDB divides doubles, and the last bit would differ."""
    tree = sqlglot.parse_one(spark_sql, read="spark")
    numbers = [number.this for number in tree.find_all(exp.Literal) if not number.is_string]
    assert [number for number in numbers if "." in number and "e" not in number.lower()] == []
