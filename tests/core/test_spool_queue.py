"""Deliveries wait in line for the disk together, and no more of them than there is room for."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from deliveries import delivery, put, segments, spooled, with_spool

from tidemill.collector import segments as segment_module
from tidemill.collector.frames import encode
from tidemill.collector.spool import Spool, SpoolFullError, Waiting

FRAME = len(encode(delivery("a0")))


class SlowDisk:
    """The real disk, whose syncs wait for `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.go = threading.Event()
        self._fsync = os.fsync
        monkeypatch.setattr(segment_module.os, "fsync", self._sync)

    def _sync(self, file: int) -> None:
        self.syncs += 1
        assert self.go.wait(30)
        self._fsync(file)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    return SlowDisk(monkeypatch)


async def until(is_so: Any) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_what_waits_shares_one_sync(tmp_path: Path, slow_disk: SlowDisk) -> None:
    """A hundred deliveries behind a slow sync cost one more sync."""

    async def use(spool: Spool) -> int:
        first = spool.put(delivery("a"))
        await until(lambda: slow_disk.syncs == 1)
        rest = [spool.put(delivery(f"b{n}")) for n in range(100)]
        slow_disk.go.set()
        await asyncio.gather(first, *rest)
        return slow_disk.syncs

    # The folder of the new segment, the first delivery, and all others.
    assert with_spool(tmp_path, use) == 3
    assert len(spooled(tmp_path)) == 101


def test_nothing_is_acknowledged_before_the_sync(tmp_path: Path, slow_disk: SlowDisk) -> None:
    """Written is not enough."""

    async def use(spool: Spool) -> bool:
        written = spool.put(delivery("a"))
        await until(lambda: slow_disk.syncs == 1)
        await asyncio.sleep(0.05)
        early = written.done()
        slow_disk.go.set()
        await written
        return early

    assert with_spool(tmp_path, use) is False


def test_a_segment_is_left_to_the_drain_within_a_second(tmp_path: Path) -> None:
    """Without another delivery that would push it along."""

    async def use(spool: Spool) -> None:
        started = time.monotonic()
        await spool.put(delivery("a"))
        while not (free := list(segment_module.take_segments(tmp_path))):
            assert time.monotonic() - started < 5
            await asyncio.sleep(0.01)
        assert [segment.path for segment in free] == segments(tmp_path)
        await spool.put(delivery("b"))

    with_spool(tmp_path, use)
    assert len(segments(tmp_path)) == 2


def test_a_segment_in_use_is_not_taken(tmp_path: Path) -> None:
    """Not even by a drain of the same process."""

    async def use(spool: Spool) -> list[Any]:
        await spool.put(delivery("a"))
        return list(segment_module.take_segments(tmp_path))

    assert with_spool(tmp_path, use) == []


def test_a_large_load_is_cut_into_segments(tmp_path: Path) -> None:
    """In the order in which it came."""
    big = "x" * 1_000_000

    async def use(spool: Spool) -> None:
        for number in range(20):
            await spool.put(delivery(f"{number:02}", refused=[("too large", big)]))

    with_spool(tmp_path, use)
    assert len(segments(tmp_path)) > 1
    assert spooled(tmp_path) == [f"{number:02}" for number in range(20)]


def test_a_full_spool_refuses_at_once(tmp_path: Path) -> None:
    """With words; what it took before stays."""

    async def use(spool: Spool) -> None:
        await spool.put(delivery("a0"))
        await spool.put(delivery("a1"))
        with pytest.raises(SpoolFullError, match="of at most 0.0 MB"):
            spool.put(delivery("a2"))

    with_spool(tmp_path, use, max_bytes=2 * FRAME)
    assert spooled(tmp_path) == ["a0", "a1"]


def test_what_waits_in_memory_counts_too(tmp_path: Path, slow_disk: SlowDisk) -> None:
    """A slow disk does not let more in than there is room for."""

    async def use(spool: Spool) -> None:
        waiting = [spool.put(delivery(f"a{n}")) for n in range(3)]
        with pytest.raises(SpoolFullError):
            spool.put(delivery("a3"))
        slow_disk.go.set()
        await asyncio.gather(*waiting)

    with_spool(tmp_path, use, max_bytes=3 * FRAME)


def test_memory_is_bounded_whatever_the_disk_holds(tmp_path: Path, slow_disk: SlowDisk) -> None:
    """A disk that is too slow refuses before the process grows."""
    large = delivery("a", refused=[("too large", "x" * 20_000_000)])

    async def use(spool: Spool) -> None:
        waiting = [spool.put(large), spool.put(large)]
        with pytest.raises(SpoolFullError, match="wait to be written"):
            spool.put(delivery("b"))
        slow_disk.go.set()
        await asyncio.gather(*waiting)

    with_spool(tmp_path, use)


def test_segments_of_others_count_until_they_are_drained(tmp_path: Path) -> None:
    """Collectors that share a folder share its room."""
    put(tmp_path, delivery("a0"), delivery("a1"))

    async def use(spool: Spool) -> None:
        with pytest.raises(SpoolFullError):
            spool.put(delivery("a2"))
        segments(tmp_path)[0].unlink()
        await until(lambda: spool.waiting().bytes == 0)
        await spool.put(delivery("a3"))

    with_spool(tmp_path, use, max_bytes=2 * FRAME)
    assert spooled(tmp_path) == ["a3"]


def test_what_waits_can_be_seen(tmp_path: Path, slow_disk: SlowDisk) -> None:
    """Bytes, deliveries that are not acknowledged, and the age of the oldest segment."""

    async def use(spool: Spool) -> None:
        assert spool.waiting() == Waiting(0, 0, 0.0)
        written = [spool.put(delivery("a0")), spool.put(delivery("a1"))]
        assert spool.waiting() == Waiting(2 * FRAME, 2, 0.0)
        slow_disk.go.set()
        await asyncio.gather(*written)
        await until(lambda: spool.waiting().oldest_seconds > 0.3)
        assert (spool.waiting().bytes, spool.waiting().deliveries) == (2 * FRAME, 0)

    with_spool(tmp_path, use)


def test_a_client_that_went_away_disturbs_nobody(tmp_path: Path, slow_disk: SlowDisk) -> None:
    """Its delivery was taken and is kept; the others are answered."""

    async def use(spool: Spool) -> None:
        gone, here = spool.put(delivery("gone")), spool.put(delivery("here"))
        gone.cancel()
        slow_disk.go.set()
        await here

    with_spool(tmp_path, use)
    assert spooled(tmp_path) == ["gone", "here"]


def test_closing_writes_what_was_put(tmp_path: Path) -> None:
    """And nothing can be put afterwards."""

    async def use(spool: Spool) -> None:
        written = spool.put(delivery("a"))
        await spool.close()
        await written
        with pytest.raises(SpoolFullError, match="is stopping"):
            spool.put(delivery("b"))

    with_spool(tmp_path, use)
    assert spooled(tmp_path) == ["a"]


def test_a_file_of_another_name_holds_up_nobody(tmp_path: Path) -> None:
    """A segment that somebody copied back counts for its bytes; its age is not known."""
    (tmp_path / "copied.tms1").write_bytes(b"12345")

    async def use(spool: Spool) -> None:
        assert spool.waiting() == Waiting(5, 0, 0.0)
        await asyncio.wait_for(spool.put(delivery("a0")), 10)

    with_spool(tmp_path, use)
