"""Events are read from the files people have."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.errors import EventLogError
from tidemill.events import EventLog, ImportReport
from tidemill.importing.files import find_files
from tidemill.importing.importer import import_files

JSON_EVENT = '{"event_id":"e1","name":"buy","user_id":"u1","timestamp":"2017-03-01"}'
HEADER = "event_id,name,user_id,timestamp"


class Imported:
    """What a file's content became."""

    def __init__(self, folder: Path, name: str, content: bytes | str | pa.Table) -> None:
        path = folder / name
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        log = EventLog(folder / "log")
        self.report: ImportReport = import_files(log, [path])
        with log.connect() as con:
            events = con.sql("SELECT * FROM events ORDER BY event_id")
            self.events: list[dict[str, Any]] = events.to_arrow_table().to_pylist()
            letters = con.sql("SELECT line, reason, raw FROM dead_letters ORDER BY line")
            self.dead: list[tuple[int, str, str]] = letters.fetchall()


def test_csv_columns_go_by_their_names(tmp_path: Path) -> None:
    """Any order; empty fields are missing; unknown columns become properties."""
    text = (
        "timestamp,colour,name,user_id,value,properties\n"
        '2017-03-01,red,buy,u1,2.5,"{""size"":""L""}"\n'
        "2017-03-02,,buy,u1,,\n"
    )
    first, second = sorted(
        Imported(tmp_path, "a.csv", text).events, key=lambda event: event["timestamp"]
    )
    assert (first["value"], first["properties"]) == (2.5, '{"colour":"red","size":"L"}')
    assert (second["value"], second["properties"]) == (None, "{}")


def test_json_keys_go_by_their_names(tmp_path: Path) -> None:
    """Numbers may be ids; unknown keys become properties, whatever they hold."""
    text = (
        '{"event_id":1,"name":"buy","user_id":42,"timestamp":"2017-03-01T01:00:00Z",'
        '"value":3,"tags":["a"],"none":null,"properties":{"size":null}}'
    )
    (event,) = Imported(tmp_path, "a.jsonl", text).events
    assert (event["event_id"], event["user_id"], event["value"]) == ("1", "42", 3.0)
    assert event["properties"] == '{"size":null,"tags":["a"]}'


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    """Times of any unit, whole numbers kept as floats, structs, unknown columns."""
    table = pa.table(
        {
            "name": pa.array(["buy", "buy"]).dictionary_encode(),
            "event_id": [1, 2],
            "user_id": [7.0, None],
            "anonymous_id": [None, "a1"],
            "timestamp": pa.array([datetime(2017, 3, 1)] * 2, pa.timestamp("ns")),
            "value": pa.array([3, None], pa.int32()),
            "day": [date(2017, 3, 1), None],
            "properties": [{"size": "L"}, None],
        }
    )
    first, second = Imported(tmp_path, "a.parquet", table).events
    assert (first["user_id"], second["user_id"]) == ("7", None)
    assert first["timestamp"] == datetime(2017, 3, 1, tzinfo=UTC)
    assert (first["value"], first["properties"]) == (3.0, '{"day":"2017-03-01","size":"L"}')
    assert (second["value"], second["properties"]) == (None, "{}")


def test_the_same_event_has_the_same_id_in_every_format(tmp_path: Path) -> None:
    """An id made of the content does not depend on the file's kind."""
    event = {"name": "buy", "user_id": "u1", "timestamp": "2017-03-01", "value": 2.5}
    sources: dict[str, str | pa.Table] = {
        "a.csv": ",".join(event) + "\n" + ",".join(map(str, event.values())),
        "a.jsonl": '{"value":2.5,"timestamp":"2017-03-01","user_id":"u1","name":"buy"}',
        "a.parquet": pa.Table.from_pylist([event]),
    }
    duplicates = [Imported(tmp_path, *source).report.duplicates for source in sources.items()]
    assert duplicates == [0, 1, 1]


def test_gzipped_text_is_unzipped(tmp_path: Path) -> None:
    """Both kinds of text."""
    assert Imported(tmp_path, "a.jsonl.gz", gzip.compress(JSON_EVENT.encode())).events
    csv = f"{HEADER}\ne2,buy,u1,2017-03-01".encode()
    assert len(Imported(tmp_path, "a.csv.gz", gzip.compress(csv)).events) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{broken", "malformed JSON"),
        ('{"value": NaN}', "malformed JSON"),
        ('{"name": "\\ud800"}', "malformed JSON"),
        ("[1]", "not a JSON object"),
        ('{"name": ["buy"]}', "a field is not a single value"),
        (b"{\xff}", "malformed JSON"),
        ("x" * 1_100_000, "line over 1 MB"),
    ],
)
def test_a_bad_json_line_is_buried_with_its_number(
    tmp_path: Path, line: str | bytes, expected: str
) -> None:
    """Its neighbours are imported; blank lines are nothing."""
    data = line.encode() if isinstance(line, str) else line
    content = b"\n".join([JSON_EVENT.encode(), b"", data, JSON_EVENT.replace("e1", "e2").encode()])
    imported = Imported(tmp_path, "a.jsonl", content)
    assert imported.report == ImportReport(2, 0, {expected: 1}, {})
    assert [letter[:2] for letter in imported.dead] == [(3, expected)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"e2,buy,u1", "not 4 fields"),
        (b"e2,buy,u1,2017-03-01,more", "not 4 fields"),
        (b'e2,"buy"x,u1,2017-03-01', "malformed CSV"),
        (b"e2,buy,\xfc,2017-03-01", "not UTF-8 text"),
        (b"e2,buy," + b"u" * 200_000 + b",2017-03-01", "malformed CSV"),
        (b"x" * 1_100_000, "line over 1 MB"),
    ],
)
def test_a_bad_csv_line_is_buried_with_its_number(
    tmp_path: Path, line: bytes, expected: str
) -> None:
    """Its neighbours are imported."""
    good = b"%d,buy,u1,2017-03-01"
    content = b"\n".join([HEADER.encode(), good % 1, line, good % 3])
    imported = Imported(tmp_path, "a.csv", content)
    assert imported.report == ImportReport(2, 0, {expected: 1}, {})
    assert [letter[:2] for letter in imported.dead] == [(3, expected)]


def test_a_quoted_field_may_span_lines(tmp_path: Path) -> None:
    """The record is known by its first line."""
    text = f'{HEADER}\ne1,"two\nlines",u1,2017-03-01\ne2,"two\nlines",,2017-03-01\n'
    imported = Imported(tmp_path, "a.csv", text)
    assert imported.events[0]["name"] == "two\nlines"
    assert imported.dead == [(4, "no user_id or anonymous_id", 'e2,"two\nlines",,2017-03-01')]


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Spreadsheets write one."""
    assert Imported(tmp_path, "a.csv", f"\ufeff{HEADER}\ne1,buy,u1,2017-03-01\n").events


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "no first line"),
        ("a.csv", b"e1,buy,u1,2017-03-01\n", "must be named, among them 'name'"),
        ("a.csv", bytes(range(128, 256)) * 9, "no first line"),
        ("a.parquet", b"", "0 bytes"),
        ("a.parquet", b"garbage" * 99, "not a parquet file"),
        ("a.parquet", pa.table({"x": [1]}), "must be named, among them 'name'"),
        ("a.jsonl.gz", b"garbage", "not a gzipped file"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported(
    tmp_path: Path, name: str, content: bytes | pa.Table, expected: str
) -> None:
    """With the reason; it is no error of the log."""
    report = Imported(tmp_path, name, content).report
    assert report.is_empty
    assert expected in report.unreadable[str(tmp_path / name)]


def test_what_stands_before_a_break_is_imported(tmp_path: Path) -> None:
    """A truncated download still holds events."""
    lines = "\n".join(JSON_EVENT.replace("e1", f"e{n}") for n in range(2000))
    report = Imported(tmp_path, "a.jsonl.gz", gzip.compress(lines.encode())[:-200]).report
    assert 0 < report.accepted < 2000
    assert "breaks off" in report.unreadable[str(tmp_path / "a.jsonl.gz")]


def test_a_folder_is_searched_for_event_files(tmp_path: Path) -> None:
    """All below it, in order, each once; other files are ignored."""
    for name in ("b.csv", "a.jsonl", "deep/c.parquet", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_files([tmp_path, tmp_path / "b.csv"])
    assert [path.name for path in found] == ["a.jsonl", "b.csv", "c.parquet"]


@pytest.mark.parametrize("name", ["missing.csv", "notes.txt", "empty"])
def test_a_path_without_events_is_refused(tmp_path: Path, name: str) -> None:
    """A missing path, an unknown kind of file, a folder without event files."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(EventLogError, match=name):
        find_files([tmp_path / name])
