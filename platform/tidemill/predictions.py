"""The prediction log: who, when, which model, the exact feature vector, the answer.

Append-only segments of checksummed frames. A frame is handed to the operating system before the
prediction is answered, so an acknowledged record survives kill -9 of the process; a frame torn by
a crash fails its checksum and ends its segment. One frame holds all rows of one request:

    b"TMP1" | uint32 length | uint32 CRC-32 of the body | body
    body = uint32 header length | JSON header | float32 [rows, features], little-endian
"""

from __future__ import annotations

import os
import secrets
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

_MAGIC = b"TMP1"
_FRAME = struct.Struct("<4sII")
_HEADER = struct.Struct("<I")
_SEGMENT_BYTES = 64 * 1024 * 1024
_SUFFIX = ".tmp1"


@dataclass(frozen=True)
class Predictions:
    """The rows of one answered request."""

    prediction_id: str
    requested_at: int
    """Microseconds since 1970 UTC."""
    objective: str
    model_version: str
    feature_hash: str
    """`hash_features` of the vector's layout."""
    users: Sequence[str | None]
    cutoffs: NDArray[np.int64]
    """[n]; when each vector was computed, microseconds since 1970 UTC, 0 for cold starts."""
    cold_start: NDArray[np.bool_]
    scores: NDArray[np.float64]
    grades: Sequence[str]
    vectors: NDArray[np.float32]
    """[n, features], exactly what the model read."""
    arm: str | None = None
    """Experiment arm; None outside experiments."""


def hash_features(names: Sequence[str]) -> str:
    """Short stable name of a vector layout."""
    return f"{zlib.crc32(orjson.dumps(list(names))):08x}"


class PredictionLog:
    """Appends to one segment of its own; any number of logs may share a folder."""

    def __init__(self, folder: Path, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._file = -1
        self._size = 0

    def append(self, predictions: Predictions) -> None:
        """Durable against process death on return. Raises OSError when the disk refuses."""
        if self._file < 0 or self._size >= self._segment_bytes:
            self._open_segment()
        frame = _encode(predictions)
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


def read_predictions(folder: Path) -> Iterator[Predictions]:
    """All whole frames in `folder`, oldest segment first."""
    for segment in sorted(folder.glob(f"*{_SUFFIX}")):
        data = segment.read_bytes()
        offset = 0
        while offset + _FRAME.size <= len(data):
            magic, length, checksum = _FRAME.unpack_from(data, offset)
            body = data[offset + _FRAME.size : offset + _FRAME.size + length]
            if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum:
                break
            yield _decode(body)
            offset += _FRAME.size + length


def count_predictions(folder: Path) -> int:
    """How many rows `folder` holds; reads headers only, so vectors are not checked."""
    return sum(_count_rows(segment) for segment in folder.glob(f"*{_SUFFIX}"))


def _count_rows(segment: Path) -> int:
    rows, size = 0, segment.stat().st_size
    with segment.open("rb") as file:
        while len(lead := file.read(_FRAME.size + _HEADER.size)) == _FRAME.size + _HEADER.size:
            magic, length, _ = _FRAME.unpack_from(lead)
            (header_length,) = _HEADER.unpack_from(lead, _FRAME.size)
            end = file.tell() - _HEADER.size + length
            if magic != _MAGIC or end > size:
                break
            rows += len(orjson.loads(file.read(header_length))["users"])
            file.seek(end)
    return rows


def _encode(predictions: Predictions) -> bytes:
    header = orjson.dumps(
        {
            "id": predictions.prediction_id,
            "at": predictions.requested_at,
            "objective": predictions.objective,
            "model": predictions.model_version,
            "layout": predictions.feature_hash,
            "users": list(predictions.users),
            "cutoffs": predictions.cutoffs,
            "cold": predictions.cold_start,
            "scores": predictions.scores,
            "grades": list(predictions.grades),
            "arm": predictions.arm,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    vectors = np.ascontiguousarray(predictions.vectors, dtype="<f4").tobytes()
    body = b"".join((_HEADER.pack(len(header)), header, vectors))
    return _FRAME.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def _decode(body: bytes) -> Predictions:
    (header_length,) = _HEADER.unpack_from(body)
    start = _HEADER.size + header_length
    header = orjson.loads(body[_HEADER.size : start])
    users = header["users"]
    flat = np.frombuffer(body, dtype="<f4", offset=start)
    return Predictions(
        prediction_id=header["id"],
        requested_at=header["at"],
        objective=header["objective"],
        model_version=header["model"],
        feature_hash=header["layout"],
        users=users,
        cutoffs=np.asarray(header["cutoffs"], dtype=np.int64),
        cold_start=np.asarray(header["cold"], dtype=np.bool_),
        scores=np.asarray(header["scores"], dtype=np.float64),
        grades=header["grades"],
        vectors=flat.reshape(len(users), -1) if users else flat.reshape(0, 0),
        arm=header["arm"],
    )
