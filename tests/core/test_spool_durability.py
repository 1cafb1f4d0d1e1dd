"""Acknowledged means on the disk: across kill -9, full disks and disks that fail."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from deliveries import delivery, put, segments, spooled, with_spool

from tidemill.collector import segments as segment_module
from tidemill.collector.segments import Segment, take_segments
from tidemill.collector.spool import Spool

PUT_FOREVER = """
import asyncio, itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from deliveries import delivery
from tidemill.collector.spool import Spool

async def client(spool, name):
    for number in itertools.count():
        await spool.put(delivery(f"{name}-{number}"))
        print(f"{name}-{number}", flush=True)

async def main():
    spool = Spool(Path(sys.argv[2]), 10**9)
    await asyncio.gather(*(client(spool, f"{sys.argv[3]}{n}") for n in range(8)))

asyncio.run(main())
"""


def start_collector(folder: Path, name: str) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", PUT_FOREVER, here, str(folder), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], count: int) -> list[str]:
    """The acknowledgements of a process that is killed after `count` of them."""
    assert process.stdout is not None
    seen = [process.stdout.readline().strip() for _ in range(count)]
    process.send_signal(signal.SIGKILL)
    seen += process.stdout.read().split("\n")[:-1]
    process.wait()
    return [name.strip() for name in seen]


def test_acknowledged_deliveries_outlive_kill_9(tmp_path: Path) -> None:
    """Again and again on one folder; at most what was never acknowledged is missing."""
    acknowledged: list[str] = []
    for name in "abc":
        acknowledged += kill_after(start_collector(tmp_path, name), 300)
    kept = spooled(tmp_path)
    assert len(kept) == len(set(kept))
    assert set(acknowledged) <= set(kept)


def test_two_collectors_share_a_folder(tmp_path: Path) -> None:
    """Each writes segments of its own; those of the dead one can be taken, the other's not."""
    dead, alive = (start_collector(tmp_path, name) for name in "ab")
    try:
        acknowledged = kill_after(dead, 200)
        assert alive.stdout is not None
        acknowledged += [alive.stdout.readline().strip() for _ in range(200)]
        taken = list(take_segments(tmp_path))
        assert set(acknowledged) <= set(spooled(tmp_path))
        assert len(taken) < len(segments(tmp_path))
    finally:
        alive.kill()
        alive.communicate()


def test_the_order_of_writes_and_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new segment's entry in its folder, its content, and only then the acknowledgement."""
    order: list[str] = []
    fsync, write = os.fsync, os.write

    def spy_sync(file: int) -> None:
        fsync(file)
        order.append("sync folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "sync file")

    def spy_write(file: int, data: bytes) -> int:
        order.append("write")
        return write(file, data)

    async def use(spool: Spool) -> None:
        monkeypatch.setattr(segment_module.os, "fsync", spy_sync)
        monkeypatch.setattr(segment_module.os, "write", spy_write)
        for name in "ab":
            await spool.put(delivery(name))
            order.append("acknowledged")
        monkeypatch.undo()

    with_spool(tmp_path, use)
    added = ["write", "sync file", "acknowledged"]
    written = [step for step in order if step in {*added, "sync folder"}]
    assert written == ["sync folder", *added, *added]


def test_a_new_folder_is_synced_into_its_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that a power loss removes takes its segments with it."""
    synced: list[str] = []
    fsync = os.fsync

    def spy(file: int) -> None:
        fsync(file)
        synced.append(os.readlink(f"/proc/self/fd/{file}"))

    monkeypatch.setattr(segment_module.os, "fsync", spy)
    segment_module.make_folder(tmp_path / "a" / "b")
    assert synced == [str(tmp_path), str(tmp_path / "a")]


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from deliveries import delivery, segments, spooled, with_spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[2])

def allow(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def use(spool):
    await spool.put(delivery("before"))
    for room in (segments(folder)[0].stat().st_size + 20, 0, 20):
        allow(room)
        refused = [spool.put(delivery(name)) for name in ("no", "nor this")]
        print([type(error).__name__ for error in
               await asyncio.gather(*refused, return_exceptions=True)])
    allow(10**9)
    await spool.put(delivery("after"))

with_spool(folder, use)
print(spooled(folder), len(segments(folder)))
"""


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """The deliveries concerned fail, nothing of them stays, and the next segment is sound."""
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refused = "['OSError', 'OSError']\n"
    assert done.stdout == refused * 3 + "['before', 'after'] 2\n"


def test_a_pretended_failure_of_the_sync_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page cache may have dropped what it could not write, and would not say so twice."""
    fsync = os.fsync

    def failing(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            monkeypatch.undo()
            raise OSError(errno.EIO, "pretended")
        fsync(file)

    async def use(spool: Spool) -> None:
        await spool.put(delivery("a"))
        monkeypatch.setattr(segment_module.os, "fsync", failing)
        with pytest.raises(OSError, match="pretended"):
            await spool.put(delivery("b"))
        await spool.put(delivery("c"))

    with_spool(tmp_path, use)
    assert spooled(tmp_path) == ["a", "c"]
    assert len(segments(tmp_path)) == 2


def test_a_folder_that_vanishes_is_an_error_and_no_hang(tmp_path: Path) -> None:
    """Every client hears of it; when the folder is back, so is the spool."""
    folder = tmp_path / "spool"

    async def use(spool: Spool) -> None:
        folder.rmdir()
        with pytest.raises(FileNotFoundError):
            await asyncio.wait_for(spool.put(delivery("a")), 10)
        folder.mkdir()
        await spool.put(delivery("b"))

    with_spool(folder, use)
    assert spooled(folder) == ["b"]


def test_a_segment_that_was_swept_before_its_lock_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain that took the new file for an abandoned one must not take deliveries with it."""
    flock = segment_module.fcntl.flock

    def late(file: int, operation: int) -> None:
        monkeypatch.undo()
        (swept,) = take_segments(tmp_path)
        swept.delete()
        swept.release()
        flock(file, operation)

    monkeypatch.setattr(segment_module.fcntl, "flock", late)
    segment = Segment(tmp_path)
    segment.append(b"kept")
    segment.close()
    assert [path.read_bytes() for path in segments(tmp_path)] == [b"kept"]


def test_segments_are_private(tmp_path: Path) -> None:
    """They hold personal data: no other account reads them."""
    put(tmp_path, delivery("a"))
    assert stat.S_IMODE(segments(tmp_path)[0].stat().st_mode) & 0o007 == 0
