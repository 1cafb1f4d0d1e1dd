"""Exports of other vendors are imported as they were downloaded."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sdk_payloads import (
    AMPLITUDE_EXPORTED,
    GA4_JSON,
    GA4_PARQUET,
    MIXPANEL_EXPORTED,
    SEGMENT_ARCHIVED,
)

from tidemill.errors import EventLogError
from tidemill.events import EventLog, ImportReport
from tidemill.importing.formats import FORMATS, Format
from tidemill.importing.importer import Audience, import_files

NATIVE = {"event_id": "e1", "name": "buy", "user_id": "u1", "timestamp": "2017-03-01"}
RECORDS: dict[str, Any] = {
    "segment": SEGMENT_ARCHIVED,
    "mixpanel": MIXPANEL_EXPORTED,
    "amplitude": AMPLITUDE_EXPORTED,
    "ga4": GA4_JSON,
    "native": NATIVE,
}


def as_lines(*records: Any) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def rows(log: EventLog, sql: str) -> list[tuple[Any, ...]]:
    with log.connect() as con:
        return con.sql(sql).fetchall()


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_is_recognised_and_said(log: EventLog, tmp_path: Path, name: str) -> None:
    """By its first record; nobody has to know what it is called."""
    (tmp_path / "x.json").write_bytes(as_lines(RECORDS[name]))
    said: list[str] = []
    assert import_files(log, [tmp_path / "x.json"], audience=Audience(said.append)).accepted == 1
    vendor = "our own format" if name == "native" else name
    assert vendor in said[0].lower()
    assert "x.json" in said[0]


def test_a_segment_archive_is_a_folder_of_gzipped_lines(log: EventLog, tmp_path: Path) -> None:
    """Its files just end in .gz."""
    folder = tmp_path / "segment-logs" / "source" / "1490918400000"
    folder.mkdir(parents=True)
    (folder / "1490918412345_a.gz").write_bytes(gzip.compress(as_lines(SEGMENT_ARCHIVED)))
    assert import_files(log, [tmp_path / "segment-logs"]).accepted == 1
    ((name, event_id),) = rows(log, "SELECT name, event_id FROM events")
    assert (name, event_id) == (SEGMENT_ARCHIVED["event"], SEGMENT_ARCHIVED["messageId"])


def test_an_amplitude_download_is_a_zip_of_gzipped_lines(log: EventLog, tmp_path: Path) -> None:
    """Each member is a file of its own, also among the dead letters."""
    lines = as_lines(AMPLITUDE_EXPORTED, {"event_type": "x"})
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("187/187_2026-03-01_0#1.json.gz", gzip.compress(lines))
        archive.writestr("README.md", "")
    report = import_files(log, [tmp_path / "export.zip"])
    assert (report.accepted, report.rejected) == (1, {"no timestamp": 1})
    source = f"{tmp_path}/export.zip/187/187_2026-03-01_0#1.json.gz"
    assert rows(log, "SELECT source, line FROM dead_letters") == [(source, 2)]


def test_ga4_in_parquet_and_in_json_are_the_same_events(log: EventLog, tmp_path: Path) -> None:
    """Nested columns are nested objects, so the second file adds nothing."""
    pq.write_table(pa.Table.from_pylist([GA4_PARQUET]), tmp_path / "a.parquet")
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(as_lines(GA4_JSON)))
    report = import_files(log, [tmp_path / "a.parquet", tmp_path / "b.json.gz"])
    assert (report.accepted, report.duplicates, report.rejected) == (1, 1, {})


def test_a_folder_may_hold_exports_of_several_vendors(log: EventLog, tmp_path: Path) -> None:
    """Each file is looked at by itself."""
    folder = tmp_path / "all"
    folder.mkdir()
    for name, record in RECORDS.items():
        (folder / f"{name}.jsonl").write_bytes(as_lines(record))
    assert import_files(log, [folder]) == ImportReport(len(RECORDS), 0, {})


def test_a_record_of_another_vendor_is_refused_alone(log: EventLog, tmp_path: Path) -> None:
    """With its file and line; the rest of the file is imported."""
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(as_lines(SEGMENT_ARCHIVED, MIXPANEL_EXPORTED) + b"\n{broken\n[1]\n")
    report = import_files(log, [path])
    assert (report.accepted, sum(report.rejected.values())) == (1, 3)
    found = rows(log, "SELECT line, raw FROM dead_letters ORDER BY line")
    assert found[0] == (2, orjson.dumps(MIXPANEL_EXPORTED).decode())
    assert found[1:] == [(4, "{broken"), (5, "[1]")]


def test_the_wrong_format_is_told_before_a_line_is_refused(log: EventLog, tmp_path: Path) -> None:
    """A million dead letters would help nobody."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_lines(SEGMENT_ARCHIVED))
    report = import_files(log, [path], Format("mixpanel"))
    expected = "it is an export of segment, not of mixpanel; leave out --format"
    assert report == ImportReport(0, 0, {}, {str(path): expected})


def test_our_own_format_can_be_insisted_on(log: EventLog, tmp_path: Path) -> None:
    """For files of ours that look like somebody else's."""
    record = {**NATIVE, "type": "track", "messageId": "m1", "userId": "u1"}
    (tmp_path / "a.jsonl").write_bytes(as_lines(record))
    assert import_files(log, [tmp_path / "a.jsonl"], Format("native")).accepted == 1


def test_a_csv_file_holds_no_export(log: EventLog, tmp_path: Path) -> None:
    """What helps is said."""
    (tmp_path / "a.csv").write_text("type,event,messageId\n")
    report = import_files(log, [tmp_path / "a.csv"], Format("segment"))
    assert "or say with --mapping" in report.unreadable[str(tmp_path / "a.csv")]


@pytest.mark.parametrize("content", [b"[\n{}\n]", b'[{"a": 1}, {"a": 2}]'])
def test_an_array_of_objects_is_told_how_to_become_lines(
    log: EventLog, tmp_path: Path, content: bytes
) -> None:
    """Instead of one reason for each of its lines."""
    (tmp_path / "a.json").write_bytes(content)
    report = import_files(log, [tmp_path / "a.json"])
    assert "jq -c '.[]'" in report.unreadable[str(tmp_path / "a.json")]
    assert report.rejected == {}


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    """Before anything is read."""
    with pytest.raises(EventLogError, match="there is no format 'heap'") as refused:
        Format("heap")
    assert refused.value.hint == "formats: native, segment, mixpanel, amplitude, ga4"


def test_an_archive_that_is_damaged_is_refused(log: EventLog, tmp_path: Path) -> None:
    """It cannot even be listed."""
    (tmp_path / "a.zip").write_bytes(b"PK garbage")
    with pytest.raises(EventLogError, match=r"a\.zip cannot be unzipped"):
        import_files(log, [tmp_path / "a.zip"])


@pytest.mark.parametrize(
    ("at", "value", "why"), [(8, 1, "encrypted"), (10, 9, "compression method")]
)
def test_an_archive_that_cannot_be_unpacked_is_named_and_the_rest_is_read(
    log: EventLog, tmp_path: Path, at: int, value: int, why: str
) -> None:
    """With a password, or zipped by Windows from more than 2 GB."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jsonl", b"{}\n")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[at - 2] = content[content.find(b"PK\x01\x02") + at] = value
    (tmp_path / "a.zip").write_bytes(content)
    (tmp_path / "b.jsonl").write_bytes(as_lines(SEGMENT_ARCHIVED))
    report = import_files(log, [tmp_path / "a.zip", tmp_path / "b.jsonl"])
    assert why in report.unreadable[f"{tmp_path}/a.zip/a.jsonl"]
    assert report.accepted
