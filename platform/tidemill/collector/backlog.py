"""How much waits in a spool's folder, which others fill and drain too."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from tidemill.collector.segments import measure_segments

_SECONDS = 0.5
_LARGEST_SHARE = 0.05
"""Of the time, spent on measuring a folder of very many segments."""


class Backlog:
    """Measured now and then by the thread that writes, counted in between by the one that puts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._put = 0
        self._settled = 0
        self._base = 0
        self._oldest: float | None = None
        self._due = 0.0
        self.measure()

    @property
    def bytes(self) -> int:
        """What waits in files and in memory."""
        return self._base + self._put

    @property
    def unwritten(self) -> int:
        """Bytes of those in memory."""
        return self._put - self._settled

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest file, 0 when there is none."""
        return 0.0 if self._oldest is None else max(0.0, time.time() - self._oldest)

    def put(self, size: int) -> None:
        """`size` bytes wait to be written."""
        self._put += size

    def settle(self, size: int) -> None:
        """`size` bytes of them were written, or failed."""
        self._settled += size

    def measure(self) -> None:
        """Look at the folder, unless that was done a moment ago. Not while a write goes on."""
        started = time.monotonic()
        if started < self._due:
            return
        with suppress(OSError):  # a folder that cannot be read fails the next write, with words
            total, self._oldest = measure_segments(self._folder)
            self._base = total - self._settled
        spent = time.monotonic() - started
        self._due = started + max(_SECONDS, spent / _LARGEST_SHARE)
