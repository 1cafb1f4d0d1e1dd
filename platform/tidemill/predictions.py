"""The prediction log: who, when, which model, the exact feature vector, the answer.

One frame of `tidemill.segments` holds all rows of one request: a JSON header and, behind it,
float32 [rows, features], little-endian.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill.experiments.logged import Exposed, columns_in
from tidemill.segments import SegmentLog, count_rows, pack_frame, read_frames

_MAGIC = b"TMP1"


@dataclass(frozen=True)
class Predictions(Exposed):
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
    """NaN for who was given none."""
    grades: Sequence[str]
    vectors: NDArray[np.float32]
    """[n, features], exactly what the model read."""
    more: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """What else the model answered, [n] each by name."""


def hash_features(names: Sequence[str]) -> str:
    """Short stable name of a vector layout."""
    return f"{zlib.crc32(orjson.dumps(list(names))):08x}"


class PredictionLog(SegmentLog):
    """Appends to one segment of its own; any number of logs may share a folder."""

    def append(self, predictions: Predictions) -> None:
        """Durable against process death on return. Raises OSError when the disk refuses."""
        self.write(encode_predictions(predictions))


def read_predictions(
    folder: Path, on_damage: Callable[[Path], None] | None = None
) -> Iterator[Predictions]:
    """All whole records in `folder`, oldest segment first; those of shown items are passed over.

    `on_damage` as in `read_frames`.
    """
    for header, payload in read_frames(folder, _MAGIC, on_damage):
        yield _decode(header, payload)


def count_predictions(folder: Path) -> int:
    """How many rows `folder` holds; reads headers only, so vectors are not checked."""
    return count_rows(folder, _MAGIC)


def encode_predictions(predictions: Predictions) -> bytes:
    """The frame of one record."""
    header = {
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
        **predictions.columns(),
    }
    if predictions.more:
        header["more"] = dict(predictions.more)
    vectors = np.ascontiguousarray(predictions.vectors, dtype="<f4").tobytes()
    return pack_frame(_MAGIC, header, vectors)


def _decode(header: dict[str, Any], payload: bytes) -> Predictions:
    users = header["users"]
    flat = np.frombuffer(payload, dtype="<f4")
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
        more={
            name: np.asarray(values, dtype=np.float64)
            for name, values in header.get("more", {}).items()
        },
        **columns_in(header),
    )
