"""A damaged segment gives what is whole, and what is not is never dropped in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from deliveries import delivery, put, segments

from tidemill.collector.drain import drain_once
from tidemill.collector.frames import encode
from tidemill.events import EventLog


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A file that holds a, b and c."""
    put(tmp_path, *map(delivery, "abc"))
    return segments(tmp_path)[0]


def ids(log: EventLog) -> list[str]:
    with log.connect(threads=1) as con:
        return [found for (found,) in con.sql("SELECT event_id FROM events ORDER BY 1").fetchall()]


def test_a_torn_tail_gives_its_whole_frames(segment: Path, log: EventLog) -> None:
    """What a killed collector did not finish was never acknowledged; the file goes."""
    os.truncate(segment, segment.stat().st_size - 5)
    drain_once(segment.parent, log)
    assert ids(log) == ["a", "b"]
    assert list(segment.parent.glob("*.tms1*")) == []


def test_an_empty_segment_goes(tmp_path: Path, log: EventLog) -> None:
    """Its collector was killed before it wrote anything."""
    put(tmp_path, delivery("a"))
    os.truncate(segments(tmp_path)[0], 0)
    assert drain_once(tmp_path, log).segments == 1
    assert segments(tmp_path) == []


def test_a_corrupt_frame_is_kept_and_reported(
    segment: Path, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are in the log; the file stays, under a name that is not drained again."""
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    drain_once(segment.parent, log)
    assert ids(log) == ["a", "c"]
    kept = segment.with_name(segment.name + ".corrupt")
    assert kept.read_bytes() == bytes(data)
    assert f"{len(encode(delivery('b')))} bytes of a segment are corrupt" in caplog.text
    assert str(kept) in caplog.text
    assert drain_once(segment.parent, log).segments == 0


def test_a_segment_that_cannot_be_read_holds_up_no_other(
    segment: Path, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays for the next drain."""
    broken = segment.with_name("0-broken.tms1")
    broken.symlink_to("/proc/self/mem")
    drain_once(segment.parent, log)
    assert ids(log) == ["a", "b", "c"]
    assert f"{broken} cannot be read" in caplog.text
    assert broken.is_symlink()


def test_a_segment_that_cannot_be_opened_holds_up_no_other(
    segment: Path, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder of that name, or a file of another user."""
    other = segment.with_name("0-other.tms1")
    other.mkdir()
    drain_once(segment.parent, log)
    assert ids(log) == ["a", "b", "c"]
    assert f"{other} cannot be opened" in caplog.text
