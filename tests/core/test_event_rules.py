"""Which events are valid, and why the others are not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from tidemill.events.schema import DEAD_LETTERS, EVENTS
from tidemill.events.unchecked import UNCHECKED
from tidemill.events.validate import Validated, validate

NOW = datetime(2020, 1, 1, tzinfo=UTC)
GOOD = {"event_id": "e1", "name": "order", "user_id": "u1", "timestamp": "2017-03-01T12:00:00Z"}


def check(**changes: Any) -> Validated:
    """One event of texts, as a CSV file holds it."""
    row = {**GOOD, "line": 7, "raw": "the line", **changes}
    return validate(pa.Table.from_pylist([row], schema=UNCHECKED), "a.csv", NOW)


def accepted(**changes: Any) -> dict[str, Any]:
    (event,) = check(**changes).valid.to_pylist()
    return dict(event)


def reason(**changes: Any) -> str:
    checked = check(**changes)
    assert checked.valid.num_rows == 0
    return str(checked.dead.column("reason")[0])


def test_a_good_event_passes() -> None:
    """Nothing is added but what follows from it."""
    noon = datetime(2017, 3, 1, 12, tzinfo=UTC)
    assert accepted(value="1.5") == {
        **dict.fromkeys(EVENTS.names),
        **GOOD,
        "timestamp": noon,
        "received_at": noon,
        "value": 1.5,
        "properties": "{}",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": None}, "no name"),
        ({"name": "  "}, "no name"),
        ({"user_id": ""}, "no user_id or anonymous_id"),
        ({"user_id": "NULL"}, "no user_id or anonymous_id"),
        ({"user_id": "00000000-0000-0000-0000-000000000000"}, "no user_id or anonymous_id"),
        ({"timestamp": None}, "no timestamp"),
        ({"timestamp": "yesterday"}, "unreadable timestamp"),
        ({"timestamp": "2017-02-30"}, "unreadable timestamp"),
        ({"timestamp": "infinity"}, "unreadable timestamp"),
        ({"timestamp": "1483228800"}, "unreadable timestamp"),
        ({"timestamp": "1970-12-31T23:59:59Z"}, "timestamp before 1971"),
        ({"timestamp": "2021-01-02"}, "timestamp over a year in the future"),
        ({"received_at": "soon"}, "unreadable received_at"),
        ({"received_at": "2020-01-02"}, "received_at in the future"),
        ({"value": "a lot"}, "value is not a finite number"),
        ({"value": "NaN"}, "value is not a finite number"),
        ({"value": "-inf"}, "value is not a finite number"),
        ({"value": "1e999"}, "value is not a finite number"),
        ({"event_id": "e" * 513}, "id or name over 512 characters"),
        ({"user_id": "u" * 513}, "id or name over 512 characters"),
        ({"properties": "{broken"}, "properties are not a JSON object"),
        ({"properties": "[1]"}, "properties are not a JSON object"),
        ({"properties": '{"k": NaN}'}, "properties are not a JSON object"),
        ({"properties": f'{{"k":"{"x" * 32768}"}}'}, "properties over 32 KB"),
        ({"properties": '{"a":' * 300 + "1" + "}" * 300}, "properties nested too deeply"),
    ],
)
def test_a_broken_rule_is_named(changes: dict[str, str | None], expected: str) -> None:
    """One reason each, in words that can be counted."""
    assert reason(**changes) == expected


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2017-03-01 12:00:00", 12),
        ("2017-03-01T12:00:00.000+02:00", 10),
        ("2017-03-01", 0),
        ("2017-03-01 12:00:00 Europe/Berlin", 11),
    ],
)
def test_times_without_a_zone_are_utc(text: str, hour: int) -> None:
    """All others are converted."""
    assert accepted(timestamp=text)["timestamp"] == datetime(2017, 3, 1, hour, tzinfo=UTC)


def test_a_future_event_is_kept_and_was_received_by_now() -> None:
    """It counts once its time has come; nobody can have received it after now."""
    event = accepted(timestamp="2020-03-01")
    assert event["timestamp"] == datetime(2020, 3, 1, tzinfo=UTC)
    assert event["received_at"] == NOW


def test_an_id_that_names_nobody_is_missing() -> None:
    """Everybody with the id `undefined` would become one person."""
    event = accepted(user_id="Undefined", anonymous_id="a1")
    assert (event["user_id"], event["anonymous_id"]) == (None, "a1")


def test_an_anonymous_event_is_valid() -> None:
    """One of the two ids is enough."""
    assert accepted(user_id=None, anonymous_id="a1")["anonymous_id"] == "a1"


def test_received_at_is_kept() -> None:
    """Late events are what point-in-time features are about."""
    received = accepted(received_at="2017-04-01")["received_at"]
    assert received == datetime(2017, 4, 1, tzinfo=UTC)


def test_properties_get_one_spelling() -> None:
    """Sorted keys, no spaces: equal properties are equal texts."""
    found = accepted(properties='{"b": 1.50, "a": {"d": "ü", "c": null}}')["properties"]
    assert found == '{"a":{"c":null,"d":"ü"},"b":1.5}'


def test_an_id_is_made_of_the_content() -> None:
    """The same content has the same id, another content another one."""
    first = accepted(event_id=None, properties='{"a": 1}')["event_id"]
    assert accepted(event_id="", properties='{"a":1}')["event_id"] == first
    for column in ("name", "user_id", "anonymous_id", "item_id"):
        assert accepted(event_id=None, properties='{"a":1}', **{column: "x"})["event_id"] != first
    assert accepted(event_id=None, properties='{"a":1}', value="1")["event_id"] != first


def test_neighbouring_columns_do_not_run_together_in_an_id() -> None:
    """user 'ab' with item 'c' is not user 'a' with item 'bc'."""
    first = accepted(event_id=None, user_id="ab", item_id="c")["event_id"]
    assert accepted(event_id=None, user_id="a", item_id="bc")["event_id"] != first


def test_a_dead_letter_says_where_it_came_from() -> None:
    """Source, line and the text as it stood."""
    (dead,) = check(name=None).dead.to_pylist()
    assert dead == {
        "received_at": NOW,
        "reason": "no name",
        "source": "a.csv",
        "line": 7,
        "raw": "the line",
    }


def test_a_dead_row_without_text_is_written_out() -> None:
    """Rows of binary files are kept as JSON."""
    (dead,) = check(value="much", raw=None).dead.to_pylist()
    assert '"value":"much"' in dead["raw"]
    assert '"user_id":"u1"' in dead["raw"]


def test_typed_columns_need_no_text() -> None:
    """Times and numbers of Parquet files are taken as they are."""
    noon = datetime(2017, 3, 1, 12, tzinfo=UTC)
    columns: dict[str, list[Any]] = {key: [None] for key in UNCHECKED.names}
    columns |= {"name": ["order"], "user_id": [17], "timestamp": [noon], "value": [2]}
    (event,) = validate(pa.table(columns), "a.parquet", NOW).valid.to_pylist()
    assert (event["user_id"], event["timestamp"], event["value"]) == ("17", noon, 2.0)


def test_both_answers_have_their_schema() -> None:
    """Even when they are empty."""
    checked = validate(UNCHECKED.empty_table(), "a.csv", NOW)
    assert (checked.valid.schema, checked.dead.schema) == (EVENTS, DEAD_LETTERS)
