"""Segments: the files of the spool.

Whoever writes or drains a segment holds its lock. The operating system drops the lock with the
process, so any other process can tell an abandoned segment from one in use.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".tms1"
_CORRUPT = ".corrupt"

logger = logging.getLogger("tidemill.collector")


class Segment:
    """A new file that this process appends to and holds the lock of."""

    def __init__(self, folder: Path) -> None:
        self._path, self._file = _create(folder)
        self.size = 0
        self.opened = time.monotonic()

    def append(self, data: bytes) -> None:
        """On the disk on return. After an OSError the segment must be abandoned.

        What follows half a frame would be unreadable, and a failed sync cannot be tried again: it
        leaves pages unwritten and counts them as written.
        """
        _write(self._file, data)
        os.fsync(self._file)
        self.size += len(data)

    def close(self) -> None:
        """Leave the segment to whoever drains it."""
        os.close(self._file)

    def abandon(self) -> None:
        """Close it without what the failed append left."""
        with suppress(OSError):  # what stays is repeated by its client, and is then a duplicate
            os.ftruncate(self._file, self.size)
            if self.size == 0:
                self._path.unlink()
        self.close()


class TakenSegment:
    """A segment that nobody writes any more, locked for draining."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file

    def read(self) -> bytes:
        return self.path.read_bytes()

    def delete(self) -> None:
        self.path.unlink()

    def set_aside(self) -> Path:
        """Keep the file under a name that is not drained; returns it."""
        return self.path.rename(self.path.with_name(self.path.name + _CORRUPT))

    def release(self) -> None:
        os.close(self._file)


def take_segments(folder: Path) -> Iterator[TakenSegment]:
    """Segments of `folder` that are in nobody's use, oldest first; each must be released."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        taken = _take(path)
        if taken is not None:
            yield taken


def measure_segments(folder: Path) -> tuple[int, float | None]:
    """Bytes in all segments of `folder`, and when the oldest was begun (seconds since 1970)."""
    total, oldest = 0, None
    for entry in os.scandir(folder):
        if entry.name.endswith(_SUFFIX):
            with suppress(FileNotFoundError):  # drained in between
                total += entry.stat().st_size
                begun = entry.name.partition("-")[0]
                if begun.isdecimal():  # or somebody put a file here by hand
                    oldest = min(int(begun) / 1e9, math.inf if oldest is None else oldest)
    return total, oldest


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents so that they outlast a power loss."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _create(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _sync_folder(folder)
        except OSError:
            os.close(file)
            raise
        # A drain may have taken the new file for an abandoned one before it was locked.
        if path.exists():
            return path, file
        os.close(file)


def _take(path: Path) -> TakenSegment | None:
    try:
        # An exclusive lock over NFS needs a file that is open for writing.
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    except (PermissionError, IsADirectoryError) as error:  # the others can be taken
        logger.error("%s cannot be opened, will be tried again: %s", path, error)
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_there = path.exists()  # or another drain was faster
    except BlockingIOError:
        is_there = False
    if is_there:
        return TakenSegment(path, file)
    os.close(file)
    return None


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
