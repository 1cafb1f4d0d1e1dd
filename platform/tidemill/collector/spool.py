"""The collector's durable queue: what was put is on the disk before it is acknowledged.

One thread writes. All deliveries that wait when it turns to them share one write and one sync, so
the price of a sync is divided by the load. A segment is closed soon after its first delivery, for
`tidemill.collector.drain` to take.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tidemill.collector.backlog import Backlog
from tidemill.collector.delivery import Delivery
from tidemill.collector.frames import encode
from tidemill.collector.segments import Segment, make_folder
from tidemill.errors import TidemillError

_SEGMENT_BYTES = 8 * 1024 * 1024
_SEGMENT_SECONDS = 0.5
_TICK_SECONDS = 0.1
_MOST_UNWRITTEN = 32 * 1024 * 1024
"""Bytes that may wait in memory for a slow disk."""
_MB = 1_000_000


class SpoolFullError(TidemillError):
    """More waits to be written, or to be drained, than the spool may hold; or it is closed."""


@dataclass(frozen=True)
class Waiting:
    """What the spool holds."""

    bytes: int
    """In memory and in the folder, of all collectors that share it."""
    deliveries: int
    """Put here and not acknowledged yet."""
    oldest_seconds: float
    """Age of the oldest segment that is not drained yet."""


class _Entry(NamedTuple):
    frame: bytes
    written: asyncio.Future[None]


class Spool:
    """Writes deliveries into `folder`, which any number of processes may share.

    Belongs to the event loop that it is used from.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Make the folder. Raises OSError when that fails."""
        make_folder(folder)
        self._folder = folder
        self._max_bytes = max_bytes
        self._backlog = Backlog(folder)
        self._unacknowledged = 0
        self._entries: list[_Entry] = []
        self._changed = threading.Condition()
        self._is_closing = False
        self._segment: Segment | None = None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def put(self, delivery: Delivery) -> asyncio.Future[None]:
        """Done when `delivery` is on the disk; fails with OSError when the disk refuses it.

        Raises SpoolFullError at once.
        """
        if self._is_closing:
            raise SpoolFullError("the collector is stopping", hint="send it again")
        frame = encode(delivery)
        self._require_room(len(frame))
        written = asyncio.get_running_loop().create_future()
        self._backlog.put(len(frame))
        self._unacknowledged += 1
        with self._changed:
            self._entries.append(_Entry(frame, written))
            self._changed.notify()
        return written

    def waiting(self) -> Waiting:
        backlog = self._backlog
        return Waiting(backlog.bytes, self._unacknowledged, backlog.oldest_seconds)

    async def close(self) -> None:
        """Write what was put, and leave the segment to the drain."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _require_room(self, size: int) -> None:
        if self._backlog.bytes + size > self._max_bytes:
            raise SpoolFullError(
                f"{self._backlog.bytes / _MB:.1f} MB wait in {self._folder}, of at most "
                f"{self._max_bytes / _MB:.1f} MB",
                hint="the events are not moved into the event log; its log says why",
            )
        if self._backlog.unwritten > _MOST_UNWRITTEN:
            raise SpoolFullError(
                f"{self._backlog.unwritten / _MB:.1f} MB wait to be written into {self._folder}",
                hint="the disk is too slow for the load",
            )

    def _run(self) -> None:
        while True:
            entries = self._take()
            if entries:
                self._write(entries)
            elif self._is_closing:
                break
            self._close_if_due()
            self._backlog.measure()
        self._close()

    def _take(self) -> list[_Entry]:
        with self._changed:
            if not self._entries and not self._is_closing:
                self._changed.wait(_TICK_SECONDS)
            entries, self._entries = self._entries, []
        return entries

    def _write(self, entries: list[_Entry]) -> None:
        error: OSError | None = None
        try:
            self._append(b"".join(entry.frame for entry in entries))
        except Exception as failure:  # a dead thread would leave every client waiting
            error = failure if isinstance(failure, OSError) else OSError(repr(failure))
        self._backlog.settle(sum(len(entry.frame) for entry in entries))
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            entries[0].written.get_loop().call_soon_threadsafe(self._answer, entries, error)

    def _append(self, data: bytes) -> None:
        if self._segment is None:
            self._segment = Segment(self._folder)
        try:
            self._segment.append(data)
        except Exception:  # whatever it is: what follows a torn frame is unreadable; raised again
            segment, self._segment = self._segment, None
            segment.abandon()
            raise

    def _answer(self, entries: list[_Entry], error: OSError | None) -> None:
        self._unacknowledged -= len(entries)
        for _, written in entries:
            if written.done():  # cancelled: the client went away
                continue
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)

    def _close_if_due(self) -> None:
        segment = self._segment
        if segment is not None and (
            segment.size >= _SEGMENT_BYTES or time.monotonic() - segment.opened > _SEGMENT_SECONDS
        ):
            self._close()

    def _close(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None
