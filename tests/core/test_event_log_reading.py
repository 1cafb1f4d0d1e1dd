"""Readers see the log as plain SQL views in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tidemill.errors import EventLogError
from tidemill.events import EventLog
from tidemill.events.schema import DEAD_LETTERS, EVENTS, ITEMS

MakeEvents = Callable[..., pa.Table]
NOON = datetime(2017, 3, 1, 12, tzinfo=UTC)


def make_items(**attributes: str) -> pa.Table:
    return pa.table(
        {"item_id": list(attributes), "attributes": list(attributes.values())}, schema=ITEMS
    )


def make_dead(*raw: str) -> pa.Table:
    dead = {"received_at": NOON, "reason": "no name", "source": "a.csv"}
    rows = [{**dead, "line": line, "raw": text} for line, text in enumerate(raw)]
    return pa.Table.from_pylist(rows, schema=DEAD_LETTERS)


def test_an_empty_log_has_typed_views_and_creates_nothing(log: EventLog) -> None:
    """Reading is never the reason that a folder appears."""
    with log.connect() as con:
        for view, schema in (("events", EVENTS), ("items", ITEMS), ("dead_letters", DEAD_LETTERS)):
            found = con.sql(f"SELECT * FROM {view}").to_arrow_table()
            assert found.schema.names == schema.names
            assert found.schema.types == schema.types
    assert log.version() == -1
    assert not log.root.exists()


def test_what_is_appended_is_read_unchanged(log: EventLog, make_events: MakeEvents) -> None:
    """Types, nulls and microseconds survive."""
    late = NOON + timedelta(microseconds=1)
    events = make_events("a", timestamp=late, item_id="i1", value=-1.5, properties='{"k":"ü"}')
    log.append(events)
    with log.connect() as con:
        assert con.sql("SELECT * FROM events").to_arrow_table().cast(EVENTS) == events


def test_a_connection_keeps_its_snapshot(log: EventLog, make_events: MakeEvents) -> None:
    """A reader is not disturbed by those who write."""
    log.append(make_events("a"))
    log.put_items(make_items(i1="{}"))
    with log.connect() as con:
        log.append(make_events("b"))
        log.put_items(make_items(i1='{"k":"v"}'))
        assert con.sql("SELECT count(*) FROM events").fetchall() == [(1,)]
        assert con.sql("SELECT attributes FROM items").fetchall() == [("{}",)]


def test_times_are_shown_in_utc(log: EventLog, make_events: MakeEvents) -> None:
    """Whatever the machine's own zone is."""
    log.append(make_events("a"))
    with log.connect(threads=1) as con:
        assert con.sql("SELECT timestamp::VARCHAR FROM events").fetchall() == [
            ("2017-03-01 12:00:00+00",)
        ]


def test_items_are_replaced_by_their_id(log: EventLog) -> None:
    """Only what changed counts; the others stay."""
    assert log.put_items(make_items(i1='{"k":"a"}', i2="{}")) == 2
    assert log.put_items(make_items(i1='{"k":"b"}', i2="{}")) == 1
    with log.connect() as con:
        found = con.sql("SELECT * FROM items ORDER BY item_id").fetchall()
    assert found == [("i1", '{"k":"b"}'), ("i2", "{}")]


def test_a_dead_letter_is_kept_once(log: EventLog) -> None:
    """The same row of the same file, buried again, is not a second one."""
    log.bury(make_dead("x", "y"))
    log.bury(make_dead("x", "y", "z"))
    with log.connect() as con:
        assert con.sql("SELECT raw FROM dead_letters ORDER BY line").fetchall() == [
            ("x",),
            ("y",),
            ("z",),
        ]


@pytest.mark.parametrize("folder", ["with space", "it's", "naïve", "a#b", "a?b", "a*b", "50%"])
def test_the_log_may_live_in_a_folder_of_any_name(
    tmp_path: Path, make_events: MakeEvents, folder: str
) -> None:
    """Neither a URL nor a glob nor an SQL literal is made of the path by accident."""
    log = EventLog(tmp_path / folder)
    log.append(make_events("a"))
    assert log.append(make_events("a")).duplicates == 1
    assert [path.name for path in tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("folder", ["a[1]", "a|b", "a^b", "a\\b", "a%20b"])
def test_a_path_the_delta_library_cannot_take_is_refused(tmp_path: Path, folder: str) -> None:
    """It would panic, or write somewhere else."""
    with pytest.raises(EventLogError, match="cannot live at"):
        EventLog(tmp_path / folder)


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path, make_events: MakeEvents) -> None:
    """With the place, the system's reason and what to check."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EventLogError, match="Not a directory") as error:
        EventLog(tmp_path / "file" / "events").append(make_events("a"))
    assert "writable" in (error.value.hint or "")


def test_a_damaged_log_is_said(log: EventLog, make_events: MakeEvents) -> None:
    """A data file that vanished is an error, not an empty answer."""
    log.append(make_events("a"))
    for file in (log.root / "events").glob("*.parquet"):
        file.unlink()
    with pytest.raises(EventLogError, match="cannot be read"):
        log.connect()
