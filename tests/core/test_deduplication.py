"""An event counts once, however often it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from tidemill.events import Appended, EventLog

MakeEvents = Callable[..., pa.Table]


def rows(log: EventLog, sql: str) -> list[tuple[Any, ...]]:
    with log.connect() as con:
        return con.sql(sql).fetchall()


def test_the_same_events_twice_are_accepted_once(log: EventLog, make_events: MakeEvents) -> None:
    """The second append changes nothing, not even the version."""
    events = make_events("a", "b")
    assert log.append(events) == Appended(accepted=2, duplicates=0)
    version = log.version()
    assert log.append(events) == Appended(accepted=0, duplicates=2)
    assert log.version() == version


def test_equal_ids_in_one_append_keep_the_first(log: EventLog, make_events: MakeEvents) -> None:
    """Events are immutable: what came first stays."""
    events = pa.concat_tables([make_events("a", value=1.0), make_events("a", value=2.0)])
    assert log.append(events) == Appended(accepted=1, duplicates=1)
    assert rows(log, "SELECT event_id, value FROM events") == [("a", 1.0)]


def test_a_known_id_keeps_its_first_content(log: EventLog, make_events: MakeEvents) -> None:
    """A later event with a known id is a duplicate, whatever it says."""
    log.append(make_events("a", value=1.0))
    assert log.append(make_events("a", "b", value=2.0)) == Appended(1, 1)
    found = rows(log, "SELECT event_id, value FROM events ORDER BY event_id")
    assert found == [("a", 1.0), ("b", 2.0)]


def test_batches_arrive_in_one_commit(log: EventLog, make_events: MakeEvents) -> None:
    """A lazy stream of batches is one version: readers see all of it or nothing."""

    def batches() -> Iterator[pa.RecordBatch]:
        for name in "abc":
            yield from make_events(name, "shared").to_batches()

    assert log.append(batches()) == Appended(accepted=4, duplicates=2)
    assert log.version() == 0


def test_nothing_appended_commits_nothing(log: EventLog) -> None:
    """An empty stream leaves an empty log."""
    assert log.append([]) == Appended(0, 0)
    assert log.version() == -1


def test_a_stream_that_breaks_leaves_the_log_as_it_was(
    log: EventLog, make_events: MakeEvents
) -> None:
    """The events before the break are not half imported."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield from make_events("a").to_batches()
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        log.append(batches())
    assert rows(log, "SELECT * FROM events") == []


def test_ids_are_compared_exactly(log: EventLog, make_events: MakeEvents) -> None:
    """Case and accents make another id."""
    assert log.append(make_events("a", "A", "á", "a ")).accepted == 4
