"""Frequent small appends: recognised again, told to followers, merged, on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tidemill.events import Appended, EventLog
from tidemill.events.log import DEDUPLICATION_WINDOW

MakeEvents = Callable[..., pa.Table]


def data_files(log: EventLog) -> set[str]:
    return {path.name for path in (log.root / "events").glob("*.parquet")}


def added_users(log: EventLog, version: int) -> list[Any]:
    added = log.added_since(version)
    assert added is not None
    return sorted(added.column("user_id").to_pylist())


def test_a_redelivery_within_the_window_is_recognised(
    log: EventLog, make_events: MakeEvents, noon: Any
) -> None:
    """The corrected clock of a second delivery may give the event another time."""
    log.append(make_events("a"))
    shifted = noon + DEDUPLICATION_WINDOW - timedelta(hours=1)
    assert log.append(make_events("a", timestamp=shifted)) == Appended(0, 1)


def test_an_append_reads_only_files_near_its_time(
    log: EventLog, make_events: MakeEvents, noon: Any
) -> None:
    """Old files need not even be there: a log that grows does not slow its appends down."""
    log.append(make_events("old", timestamp=noon - timedelta(days=400)))
    for name in data_files(log):
        (log.root / "events" / name).unlink()
    assert log.append(make_events("new")).accepted == 1


def test_followers_hear_who_was_touched(log: EventLog, make_events: MakeEvents) -> None:
    """Users of the commits after the version they know, each once."""
    log.append(make_events("a", user_id="u1"))
    version = log.version()
    log.append(make_events("b", "c", user_id="u2"))
    log.append(make_events("d", user_id="u3"))
    assert added_users(log, version) == ["u2", "u3"]
    assert added_users(log, -1) == ["u1", "u2", "u3"]
    assert added_users(log, log.version()) == []


def test_compaction_merges_files_and_touches_nobody(log: EventLog, make_events: MakeEvents) -> None:
    """The same events in fewer files; followers hear of no change."""
    for name in "abc":
        log.append(make_events(name))
    version = log.version()
    log.compact()
    assert added_users(log, version) == []
    with log.connect() as con:
        assert con.sql("SELECT count(*) FROM events").fetchall() == [(3,)]
    assert log.append(make_events("a")) == Appended(0, 1)


def test_a_reader_survives_compaction(log: EventLog, make_events: MakeEvents) -> None:
    """Files of the version it reads stay for a day."""
    for name in "abc":
        log.append(make_events(name))
    with log.connect() as con:
        log.compact()
        assert con.sql("SELECT count(*) FROM events").fetchall() == [(3,)]


def test_a_follower_that_slept_too_long_is_told_so(log: EventLog, make_events: MakeEvents) -> None:
    """Without the commits there is no telling who was touched."""
    log.append(make_events("a"))
    log.append(make_events("b"))
    log.compact()
    next((log.root / "events" / "_delta_log").glob("*1.json")).unlink()
    log.append(make_events("c"))
    assert log.added_since(0) is None


def test_an_append_is_synced_before_it_returns(
    log: EventLog, make_events: MakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data before the commit that names it, and the folders that name both."""
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    log.append(make_events("a"))
    (data,) = data_files(log)
    commit = "00000000000000000000.json"
    assert synced == [data, commit, "_delta_log", "events", "events"]
