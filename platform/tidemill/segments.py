"""Append-only segments of checksummed frames, in which what was answered is kept.

A frame is handed to the operating system before the answer leaves, so an acknowledged record
survives kill -9 of the process; a frame torn by a crash fails its checksum and ends its segment.

    magic | uint32 length | uint32 CRC-32 of the body | body
    body = uint32 header length | JSON header | payload

The magic, four bytes, says what kind of record a frame holds; kinds may share a segment.
"""

from __future__ import annotations

import os
import secrets
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

_FRAME = struct.Struct("<4sII")
_HEADER = struct.Struct("<I")
_SEGMENT_BYTES = 64 * 1024 * 1024
_SUFFIX = ".tmp1"
KINDS = (b"TMP1", b"TMS1", b"TME1")
"""Predictions, shown items, and units that were told their arm of an experiment."""


def pack_frame(magic: bytes, header: dict[str, Any], payload: bytes) -> bytes:
    """One record, ready to be written."""
    packed = orjson.dumps(header, option=orjson.OPT_SERIALIZE_NUMPY)
    body = b"".join((_HEADER.pack(len(packed)), packed, payload))
    return _FRAME.pack(magic, len(body), zlib.crc32(body)) + body


class SegmentLog:
    """Appends to one segment of its own; any number of logs may share a folder."""

    def __init__(self, folder: Path, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._file = -1
        self._size = 0

    def write(self, frame: bytes) -> None:
        """Durable against process death on return. Raises OSError when the disk refuses."""
        if self._file < 0 or self._size >= self._segment_bytes:
            self._open_segment()
        written = os.write(self._file, frame)
        if written != len(frame):
            # What follows a torn frame in a segment is unreadable, so leave the segment.
            self.close()
            raise OSError(f"prediction log: wrote {written} of {len(frame)} bytes, disk full?")
        self._size += written

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open_segment(self) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._size = 0


def read_frames(
    folder: Path, magic: bytes, on_damage: Callable[[Path], None] | None = None
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(header, payload) of all whole frames of one kind in `folder`, oldest segment first.

    A last frame that is not whole is what a crash leaves. `on_damage` is told of segments that
    cannot be read for another reason, from there on or at all; without it the latter raise OSError.
    """
    for segment in segments(folder):
        yield from read_segment(segment, (magic,), on_damage)


def segments(folder: Path) -> list[Path]:
    """The segments in `folder`, oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def read_segment(
    segment: Path, kinds: Sequence[bytes], on_damage: Callable[[Path], None] | None = None
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """As `read_frames`, of one segment and of several kinds."""
    try:
        data = segment.read_bytes()
    except OSError:
        if on_damage is None:
            raise
        on_damage(segment)
        return
    offset = 0
    while offset + _FRAME.size <= len(data):
        kind, length, checksum = _FRAME.unpack_from(data, offset)
        body = data[offset + _FRAME.size : offset + _FRAME.size + length]
        if kind not in KINDS or len(body) != length or zlib.crc32(body) != checksum:
            if on_damage is not None and (kind not in KINDS or len(body) == length):
                on_damage(segment)
            break
        if kind in kinds:
            yield _split(body)
        offset += _FRAME.size + length


def count_rows(folder: Path, magic: bytes) -> int:
    """How many users the frames of one kind answer; reads headers only, so payloads are unchecked.

    Every kind's header lists its `users`.
    """
    return sum(_count_rows(segment, magic) for segment in folder.glob(f"*{_SUFFIX}"))


def _count_rows(segment: Path, magic: bytes) -> int:
    rows, size = 0, segment.stat().st_size
    with segment.open("rb") as file:
        while len(lead := file.read(_FRAME.size + _HEADER.size)) == _FRAME.size + _HEADER.size:
            kind, length, _ = _FRAME.unpack_from(lead)
            (header_length,) = _HEADER.unpack_from(lead, _FRAME.size)
            end = file.tell() - _HEADER.size + length
            if kind not in KINDS or end > size:
                break
            if kind == magic:
                rows += len(orjson.loads(file.read(header_length))["users"])
            file.seek(end)
    return rows


def _split(body: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = _HEADER.unpack_from(body)
    start = _HEADER.size + length
    return orjson.loads(body[_HEADER.size : start]), body[start:]
