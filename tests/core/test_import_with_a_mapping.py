"""A small file says what the columns of any other file are."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.errors import EventLogError
from tidemill.events import EventLog, ImportReport
from tidemill.importing.formats import Format
from tidemill.importing.importer import import_files
from tidemill.importing.mapping import EventMapping, read_mapping

EXAMPLE = Path(__file__).parents[2] / "examples" / "mappings" / "orders.yaml"
HEADER = "apiVersion: tidemill.dev/v1alpha1\nkind: EventMapping\nspec:\n"
BASIC = {"name": "what", "timestamp": "at", "user_id": "who"}


def mapping(**spec: Any) -> Format:
    document = {"apiVersion": "tidemill.dev/v1alpha1", "kind": "EventMapping", "spec": spec}
    return Format(mapping=EventMapping.model_validate(document))


class Imported:
    """What a file became under a mapping."""

    def __init__(self, folder: Path, name: str, content: str | pa.Table, chosen: Format) -> None:
        self.path = folder / name
        if isinstance(content, pa.Table):
            pq.write_table(content, self.path)
        else:
            self.path.write_text(content)
        log = EventLog(folder / "log")
        self.report: ImportReport = import_files(log, [self.path], chosen)
        with log.connect() as con:
            self.events: list[dict[str, Any]] = (
                con.sql("SELECT * FROM events ORDER BY timestamp").to_arrow_table().to_pylist()
            )


def test_the_example_reads_what_it_says(tmp_path: Path) -> None:
    """A shop's orders: its own names, its own way to write a time."""
    text = (
        "line,ordered,customer,article,total,category,coupon,internal\n"
        "o1-1,01.03.2017 12:00,c7,a9,19.90,tea,,x\n"
    )
    chosen = Format(mapping=read_mapping(EXAMPLE))
    (event,) = Imported(tmp_path, "orders.csv", text, chosen).events
    noon = datetime(2017, 3, 1, 12, tzinfo=UTC)
    assert list(event.values()) == [
        *("o1-1", "order_line", "c7", None, "a9", noon, noon, 19.9),
        '{"category":"tea","channel":"web"}',
    ]


def test_columns_that_are_not_used_become_properties(tmp_path: Path) -> None:
    """Unless the mapping chooses some."""
    line = '{"what":"buy","at":"2017-03-01","who":1,"size":"L","tags":["a"],"none":null}\n'
    (event,) = Imported(tmp_path, "a.jsonl", line, mapping(**BASIC)).events
    assert (event["user_id"], event["properties"]) == ("1", '{"size":"L","tags":["a"]}')
    chosen = mapping(**BASIC, properties=["size"])
    later = line.replace("03-01", "03-02")
    events = Imported(tmp_path, "a.jsonl", later, chosen).events
    assert events[1]["properties"] == '{"size":"L"}'


def test_a_path_leads_into_nested_json(tmp_path: Path) -> None:
    """By names and places; a column of that very name comes first."""
    record = {
        "what": {"kind": "buy"},
        "at": "2017-03-01",
        "who.id": "flat",
        "who": {"id": "deep"},
        "items": [{"sku": "a1"}],
    }
    chosen = mapping(name="what.kind", timestamp="at", user_id="who.id", item_id="items.0.sku")
    (event,) = Imported(tmp_path, "a.jsonl", json.dumps(record), chosen).events
    assert (event["name"], event["user_id"], event["item_id"]) == ("buy", "flat", "a1")


@pytest.mark.parametrize(
    ("time", "written"),
    [
        ("at", "2017-03-01T12:00:00Z"),
        ("at", "2017-03-01 12:00"),
        ("at", 1488369600),
        ("at", 1488369600000),
        ({"column": "at", "unit": "s"}, "1488369600"),
        ({"column": "at", "unit": "ms"}, 1488369600000),
        ({"column": "at", "unit": "us"}, 1488369600000000),
        ({"column": "at", "unit": "ns"}, 1488369600000000999),
        ({"column": "at", "unit": "s"}, 1488369600.0),
        ({"column": "at", "format": "%d/%m/%Y %H:%M %z"}, "01/03/2017 14:00 +0200"),
    ],
)
def test_a_time_is_read_as_it_is_written(tmp_path: Path, time: Any, written: Any) -> None:
    """As text in any form, or as a number of any unit; noon in each case."""
    line = json.dumps({"what": "buy", "at": written, "who": "u1"})
    (event,) = Imported(tmp_path, "a.jsonl", line, mapping(**{**BASIC, "timestamp": time})).events
    assert event["timestamp"] == datetime(2017, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("unit", "right"), [("s", 1.4e9), ("ms", 1.4e12), ("ns", 1.4e18)])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1e300])
def test_a_number_that_is_no_time_costs_its_row_only(
    tmp_path: Path, unit: str, right: float, wrong: float
) -> None:
    """What pandas leaves where a time is missing."""
    table = pa.table({"what": ["buy"] * 2, "at": [right, wrong], "who": ["u1", "u2"]})
    chosen = mapping(**{**BASIC, "timestamp": {"column": "at", "unit": unit}})
    imported = Imported(tmp_path, "a.parquet", table, chosen)
    assert imported.report.rejected == {"unreadable timestamp": 1}
    assert [event["user_id"] for event in imported.events] == ["u1"]


@pytest.mark.parametrize("digits", [20, 400])
def test_a_count_that_fits_nowhere_costs_its_row_only(tmp_path: Path, digits: int) -> None:
    """As text it may be of any length."""
    chosen = mapping(**{**BASIC, "timestamp": {"column": "at", "unit": "s"}})
    text = f"what,at,who\nbuy,1488369600,u1\nbuy,{'9' * digits},u2\n"
    imported = Imported(tmp_path, "a.csv", text, chosen)
    assert (imported.report.accepted, imported.report.rejected) == (1, {"unreadable timestamp": 1})


def test_typed_columns_of_parquet_can_be_mapped(tmp_path: Path) -> None:
    """Days, times without a zone, numbers with a fixed point."""
    table = pa.table(
        {
            "what": ["buy"],
            "at": pa.array([datetime(2017, 3, 1)], pa.timestamp("ms")),
            "who": pa.array([7], pa.int32()),
            "price": pa.array([Decimal("2.50")]),
            "day": [date(2017, 3, 2)],
        }
    )
    (event,) = Imported(tmp_path, "a.parquet", table, mapping(**BASIC, value="price")).events
    assert (event["timestamp"], event["user_id"]) == (datetime(2017, 3, 1, tzinfo=UTC), "7")
    assert (event["value"], event["properties"]) == (2.5, '{"day":"2017-03-02"}')


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"what": None}, "no name"),
        ({"who": "undefined"}, "no user_id or anonymous_id"),
        ({"at": None}, "no timestamp"),
        ({"at": "soon"}, "unreadable timestamp"),
        ({"cost": "a lot"}, "value is not a finite number"),
        ({"what": ["buy"]}, "a field is not a single value"),
    ],
)
def test_a_row_without_what_is_needed_is_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    """For the same reasons as a row of our own."""
    line = json.dumps({"what": "buy", "at": "2017-03-01", "who": "u1", **changes})
    report = Imported(tmp_path, "a.jsonl", line, mapping(**BASIC, value="cost")).report
    assert report == ImportReport(0, 0, {expected: 1})


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_column_that_is_missing_is_named_with_its_like(tmp_path: Path, name: str) -> None:
    """Before a million rows are refused."""
    columns = {"what": ["buy"], "at": ["2017-03-01"], "whom": ["u1"]}
    content = pa.table(columns) if name == "a.parquet" else "what,at,whom\nbuy,2017-03-01,u1\n"
    imported = Imported(tmp_path, name, content, mapping(**BASIC))
    assert imported.report.unreadable[str(imported.path)] == (
        "it has no column 'who', which the mapping names; did you mean 'whom'?"
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("  tiemstamp: at\n", "4: spec.tiemstamp: unknown key; did you mean 'timestamp'?"),
        ("  timestamp: {column: at, unit: m}\n", "4: spec.timestamp.unit: must be 's'"),
        ("  timestamp: {column: at, unit: s, format: x}\n", "format is for text and unit for"),
        ("  timestamp: at\n  user_id: who\n", "name is missing; give its column, or"),
        ("  timestamp: at\n  name: what\n", "user_id or anonymous_id is needed"),
        (
            "  timestamp: at\n  name: what\n  user_id: who\n  constants: {name: x}\n",
            "name has a column and a constant; give one of them",
        ),
        (
            "  timestamp: at\n  name: what\n  user_id: who\n  constants: {event_id: x}\n",
            "event_id cannot be the same for all events",
        ),
    ],
)
def test_a_mapping_that_is_not_valid_says_where_and_what(
    tmp_path: Path, spec: str, expected: str
) -> None:
    """File, line, key, and the word that was meant."""
    path = tmp_path / "m.yaml"
    path.write_text(HEADER + spec)
    with pytest.raises(EventLogError, match=r"m\.yaml:\d+: ") as refused:
        read_mapping(path)
    assert expected in refused.value.message


def test_a_mapping_and_a_format_exclude_each_other() -> None:
    """Each would say how the file is read."""
    with pytest.raises(EventLogError, match="exclude each other"):
        Format("segment", read_mapping(EXAMPLE))
