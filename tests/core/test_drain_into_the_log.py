"""What was acknowledged arrives in the event log, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from deliveries import DELIVERIES, delivery, event, put, segments
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.collector import drain as drain_module
from tidemill.collector import loads
from tidemill.collector import segments as segment_module
from tidemill.collector.delivery import Delivery
from tidemill.collector.drain import Drain, DrainReport, drain_once
from tidemill.collector.frames import encode
from tidemill.collector.segments import take_segments
from tidemill.errors import EventLogError
from tidemill.events import EventLog
from tidemill.events.mapped import Refusal

FRAME = len(encode(delivery("a")))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """The folder of an empty spool."""
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def rows(log: EventLog, sql: str) -> list[tuple[Any, ...]]:
    with log.connect(threads=1) as con:
        return con.sql(sql).fetchall()


def ids(log: EventLog) -> list[str]:
    return [found for (found,) in rows(log, "SELECT event_id FROM events ORDER BY 1")]


@contextmanager
def running(drain: Drain) -> Iterator[None]:
    drain.start()
    try:
        yield
    finally:
        drain.stop(final=False)


def wait_for(is_so: Any) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_events_arrive_as_they_were_put(spool: Path, log: EventLog) -> None:
    """All columns."""
    put(spool, delivery("a"))
    report = drain_once(spool, log)
    assert (report.accepted, report.duplicates, report.segments) == (1, 0, 1)
    (found,) = rows(log, "SELECT * REPLACE (epoch_us(timestamp) AS timestamp, "
                         "epoch_us(received_at) AS received_at) FROM events")  # fmt: skip
    assert found == tuple(event("a"))
    assert segments(spool) == []


def test_each_source_has_a_commit_and_a_receipt(spool: Path, log: EventLog) -> None:
    """With the median of what its clients' clocks were ahead."""
    offsets = [0.0, 1.0, 50.0, None]
    put(spool, *(delivery(f"w{n}", clock_offset=ahead) for n, ahead in enumerate(offsets)))
    put(spool, delivery("a0", source="app"))
    assert drain_once(spool, log).commits == 2
    found = rows(log, "SELECT channel, accepted, clock_offset FROM receipts ORDER BY 1")
    assert found == [("app", 1, None), ("web", 4, 1.0)]


def test_refused_events_become_dead_letters(spool: Path, log: EventLog) -> None:
    """Those of the connector and those that break a rule of the log."""
    put(spool, delivery(events=[event("a", name=None)], refused=[Refusal("too old", "{}")]))
    assert drain_once(spool, log).rejected == {"no name": 1, "too old": 1}
    found = rows(log, "SELECT reason, source, line FROM dead_letters ORDER BY 1")
    assert found == [("no name", "collector/web", None), ("too old", "collector/web", None)]


def test_nothing_waits(spool: Path, log: EventLog) -> None:
    """An empty spool touches no log."""
    report = drain_once(spool, log)
    assert (report.segments, report.commits, log.version()) == (0, 0, -1)


def test_a_crash_between_commit_and_deletion_adds_nothing(
    spool: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for events that came without an id: their content gives them one."""
    put(spool, delivery("a", None))
    with monkeypatch.context() as patched:
        patched.setattr(loads.Load, "finish", lambda load: None)
        drain_once(spool, log)
    before = ids(log)
    report = drain_once(spool, log)
    assert (report.accepted, report.duplicates) == (0, 2)
    assert ids(log) == before
    assert segments(spool) == []


def test_a_log_that_fails_keeps_the_segments(spool: Path, log: EventLog) -> None:
    """The next drain takes them, all of them."""
    put(spool, delivery("a"), delivery("b", source="app"))
    log.root.parent.mkdir(parents=True)
    log.root.write_text("in the way")
    with pytest.raises(EventLogError):
        drain_once(spool, log)
    log.root.unlink()
    assert drain_once(spool, log).accepted == 2
    assert ids(log) == ["a", "b"]


def test_one_source_that_fails_does_not_double_the_other(
    spool: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is committed already when the second fails."""
    put(spool, delivery("a"), delivery("b", source="app"))
    ingest = drain_module.ingest

    def failing(log: EventLog, batches: Any, channel: str, **options: Any) -> Any:
        if channel == "app":
            raise EventLogError("pretended")
        return ingest(log, batches, channel, **options)

    monkeypatch.setattr(drain_module, "ingest", failing)
    with pytest.raises(EventLogError):
        drain_once(spool, log)
    monkeypatch.undo()
    assert ids(log) == ["a"]
    assert drain_once(spool, log).accepted == 1
    assert ids(log) == ["a", "b"]


@pytest.mark.parametrize(
    ("limit", "value"),
    [("_MOST_EVENTS", 3), ("_MOST_BYTES", 2 * FRAME + 1), ("_MOST_SEGMENTS", 3)],
)
def test_one_drain_takes_so_much_and_says_so(
    spool: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    """Events, bytes and open files are bounded; oldest segments go first."""
    monkeypatch.setattr(loads, limit, value)
    for name in "abcde":
        put(spool, delivery(name))
    first = drain_once(spool, log)
    assert first.is_full
    assert ids(log) == list("abc")
    second = drain_once(spool, log)
    assert (second.accepted, second.is_full) == (2, False)


def test_two_drains_share_the_work(spool: Path, log: EventLog) -> None:
    """What one has taken, the other leaves alone."""
    put(spool, delivery("a"))
    with loads.take_load(spool):
        put(spool, delivery("b"))
        assert drain_once(spool, log).accepted == 1
    assert ids(log) == ["b"]
    assert drain_once(spool, log).accepted == 1


def test_a_segment_that_another_drain_finished_is_no_error(spool: Path) -> None:
    """It may vanish between being listed and being opened."""
    put(spool, delivery("a"))
    put(spool, delivery("b"))
    taken = take_segments(spool)
    first = next(taken)
    segments(spool)[1].unlink()
    assert list(taken) == []
    first.release()


def test_a_segment_that_another_drain_finishes_meanwhile_is_left_alone(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may vanish between being opened and being locked."""
    put(spool, delivery("a"))
    flock = segment_module.fcntl.flock

    def late(file: int, operation: int) -> None:
        segments(spool)[0].unlink()
        flock(file, operation)

    monkeypatch.setattr(segment_module.fcntl, "flock", late)
    assert list(take_segments(spool)) == []


def test_the_thread_drains_what_comes(spool: Path, log: EventLog) -> None:
    """And tells of each drain that found something."""
    told: list[DrainReport] = []
    with running(Drain(spool, log, 0.05, told.append)):
        put(spool, delivery("a"))
        wait_for(lambda: len(told) == 1)
        put(spool, delivery("b"))
        wait_for(lambda: len(told) == 2)
    assert [report.accepted for report in told] == [1, 1]
    assert ids(log) == ["a", "b"]


def test_the_thread_tries_again(
    spool: Path, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Until the log can be written; it says why not."""
    put(spool, delivery("a"))
    log.root.parent.mkdir(parents=True)
    log.root.write_text("in the way")
    drain = Drain(spool, log, 0.05)
    with running(drain):
        wait_for(lambda: drain.is_failing)
        log.root.unlink()
        wait_for(lambda: not drain.is_failing)
    assert "events stay in the spool, next try in 0 s: the " in caplog.text
    assert ids(log) == ["a"]


def test_a_listener_that_fails_does_not_end_the_thread(spool: Path, log: EventLog) -> None:
    """The events that come later matter more."""
    put(spool, delivery("a"))
    drain = Drain(spool, log, 0.05, lambda report: 1 / 0)
    with running(drain):
        wait_for(lambda: drain.is_failing)
        put(spool, delivery("b"))
        wait_for(lambda: ids(log) == ["a", "b"])


def test_stopping_drains_the_rest(
    spool: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it takes."""
    monkeypatch.setattr(loads, "_MOST_SEGMENTS", 1)
    drain = Drain(spool, log, interval=60)
    drain.start()
    for name in "abc":
        put(spool, delivery(name))
    drain.stop()
    assert ids(log) == ["a", "b", "c"]


def test_the_log_is_compacted_now_and_then(
    spool: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drain leaves a small file."""
    monkeypatch.setattr(drain_module, "_COMPACT_EVERY", 2)
    told: list[DrainReport] = []
    with running(Drain(spool, log, 0.05, told.append)):
        for count, name in enumerate("abc", start=1):
            put(spool, delivery(name))
            wait_for(lambda wanted=count: len(told) == wanted)
    assert len(DeltaTable(log.root / "events").file_uris()) == 2


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(DELIVERIES, max_size=10))
def test_whatever_is_acknowledged_can_be_drained(
    spool: Path, log: EventLog, sent: list[Delivery]
) -> None:
    """An event that the log could not take would hold up all others for ever."""
    (spool / f"{time.time_ns():020d}-x.tms1").write_bytes(b"".join(map(encode, sent)))
    report = drain_once(spool, log)
    counted = report.accepted + report.duplicates + sum(report.rejected.values())
    assert counted == sum(len(each.events) + len(each.refused) for each in sent)
    assert segments(spool) == []
