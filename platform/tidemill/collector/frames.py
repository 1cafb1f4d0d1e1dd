"""How a delivery stands in a file: a checksummed frame.

    b"TMS1" | uint32 length | uint32 CRC-32 of the body | body
    body = JSON [source, received_at, clock_offset, columns of the events, columns of the refused]

Events stand as one array per column, which is read three times as fast as an object per event.
The body is JSON, which holds no zero bytes, and the length of a frame below 16 MB does: so nothing
that a client sends can look like a frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import isfinite
from typing import Any

import orjson

from tidemill.collector.delivery import Delivery
from tidemill.events.mapped import MappedEvent, Refusal

_MAGIC = b"TMS1"
_HEAD = struct.Struct("<4sII")
_VALUE = MappedEvent._fields.index("value")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file of frames holds."""

    deliveries: list[Delivery]
    """Those whose frame is whole, in order."""
    torn: int
    """Bytes of a frame at the end that was never written to its end, so never acknowledged."""
    corrupt: int
    """Bytes that were changed after they were written, or are no frames at all."""


def encode(delivery: Delivery) -> bytes:
    """The frame of `delivery`."""
    events = [list(column) for column in zip(*delivery.events, strict=True)]
    if events:
        events[_VALUE] = [_writable(value) for value in events[_VALUE]]
    refused = list(zip(*delivery.refused, strict=True))
    record = [delivery.source, delivery.received_at, delivery.clock_offset, events, refused]
    body = orjson.dumps(record)
    return _HEAD.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def decode(data: bytes) -> Contents:
    """All whole frames of `data`, also those behind a corrupt one."""
    deliveries: list[Delivery] = []
    corrupt, end = 0, 0
    for start, stop in _find_frames(data):
        corrupt += start - end
        end = stop
        deliveries.append(_decode(data[start + _HEAD.size : stop]))
    rest = len(data) - end
    if _is_torn(data, end):
        return Contents(deliveries, rest, corrupt)
    return Contents(deliveries, 0, corrupt + rest)


def _find_frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Where whole frames begin and end."""
    start = 0
    while start >= 0:
        stop = _frame_end(data, start)
        if stop is None:
            start = data.find(_MAGIC, start + 1)
        else:
            yield start, stop
            start = stop


def _frame_end(data: bytes, start: int) -> int | None:
    """The end of the whole frame at `start`, None when there is none."""
    if start + _HEAD.size > len(data):
        return None
    magic, length, checksum = _HEAD.unpack_from(data, start)
    stop = start + _HEAD.size + int(length)
    # The checksum of nothing is 0, so a row of zeros would be a frame.
    if magic != _MAGIC or length == 0 or stop > len(data):
        return None
    body = memoryview(data)[start + _HEAD.size : stop]
    return stop if zlib.crc32(body) == checksum else None


def _is_torn(data: bytes, start: int) -> bool:
    """Whether `data` ends before the frame at `start` does."""
    head = data[start : start + _HEAD.size]
    if not head.startswith(_MAGIC[: len(head)]):
        return False
    if len(head) < _HEAD.size:
        return True
    return start + _HEAD.size + int(_HEAD.unpack(head)[1]) > len(data)


def _decode(body: bytes) -> Delivery:
    source, received_at, clock_offset, events, refused = orjson.loads(body)
    if events:
        events[_VALUE] = [_read(value) for value in events[_VALUE]]
    return Delivery(
        source=source,
        received_at=received_at,
        events=_rows(MappedEvent, events),
        refused=_rows(Refusal, refused),
        clock_offset=clock_offset,
    )


def _rows(kind: Any, columns: Sequence[list[Any]]) -> list[Any]:
    return list(map(tuple.__new__, repeat(kind), zip(*columns, strict=True)))


def _writable(value: float | None) -> float | str | None:
    """JSON has no infinities; the rules of the log shall see and refuse them."""
    return value if value is None or isfinite(value) else repr(value)


def _read(value: float | str | None) -> float | None:
    return float(value) if isinstance(value, str) else value
