"""What one drain takes on: whole segments, their events sorted by source, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tidemill.collector.delivery import Delivery
from tidemill.collector.frames import Contents, decode
from tidemill.collector.segments import TakenSegment, take_segments
from tidemill.events.mapped import MappedEvent, Refusal
from tidemill.events.mapped_batches import mapped_batch
from tidemill.events.unchecked import Batch

_MOST_EVENTS = 200_000
_MOST_BYTES = 64 * 1024 * 1024
_MOST_SEGMENTS = 200
"""Each is an open file."""
_BATCH_EVENTS = 20_000

logger = logging.getLogger("tidemill.collector")


class SourceLoad:
    """The events of one source; as a table, which takes a fraction of their memory."""

    def __init__(self) -> None:
        self._events: list[MappedEvent] = []
        self._refused: list[Refusal] = []
        self._batches: list[Batch] = []
        self._clock_offsets: list[float] = []

    def add(self, delivery: Delivery) -> None:
        self._events += delivery.events
        self._refused += delivery.refused
        if delivery.clock_offset is not None:
            self._clock_offsets.append(delivery.clock_offset)
        if len(self._events) + len(self._refused) >= _BATCH_EVENTS:
            self._tabulate()

    def batches(self) -> list[Batch]:
        self._tabulate()
        return self._batches

    def clock_offset(self) -> float | None:
        """Median seconds that the clients' clocks were ahead, None when no client told its time."""
        return median(self._clock_offsets) if self._clock_offsets else None

    def _tabulate(self) -> None:
        if self._events or self._refused:
            refused = [(None, *refusal) for refusal in self._refused]
            self._batches.append(mapped_batch(self._events, refused))
            self._events, self._refused = [], []


class Load:
    """Segments that are locked until `release`, and what they hold."""

    def __init__(self) -> None:
        self.sources: dict[str, SourceLoad] = {}
        self._segments: list[tuple[TakenSegment, Contents]] = []
        self._events = 0
        self._bytes = 0

    @property
    def segments(self) -> int:
        return len(self._segments)

    @property
    def is_full(self) -> bool:
        return (
            self._events >= _MOST_EVENTS
            or self._bytes >= _MOST_BYTES
            or len(self._segments) >= _MOST_SEGMENTS
        )

    def add(self, segment: TakenSegment) -> None:
        """Take over a segment; one that cannot be read is left for the next drain."""
        try:
            data = segment.read()
        except OSError as error:
            segment.release()
            logger.error("%s cannot be read, will be tried again: %s", segment.path, error)
            return
        contents = decode(data)
        self._segments.append((segment, contents))
        self._bytes += len(data)
        for delivery in contents.deliveries:
            self._events += len(delivery.events) + len(delivery.refused)
            self.sources.setdefault(delivery.source, SourceLoad()).add(delivery)
        contents.deliveries.clear()

    def finish(self) -> None:
        """Remove the segments, whose events are in the log now; what is corrupt is kept."""
        for segment, contents in self._segments:
            if contents.corrupt:
                kept = segment.set_aside()
                logger.error(
                    "%d bytes of a segment are corrupt; its other events are in the log, "
                    "the file is kept as %s",
                    contents.corrupt,
                    kept,
                )
            else:
                segment.delete()

    def release(self) -> None:
        for segment, _ in self._segments:
            segment.release()


@contextmanager
def take_load(folder: Path) -> Iterator[Load]:
    """What waits in `folder` and nobody writes any more, as much as one drain may take."""
    load = Load()
    try:
        for segment in take_segments(folder):
            load.add(segment)
            if load.is_full:
                break
        yield load
    finally:
        load.release()
