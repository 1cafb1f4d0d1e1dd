"""What was shown to whom, at which position and with what probability, in the prediction log.

One frame of `tidemill.segments` holds all users of one request: a JSON header and, behind it, the
lists as JSON. Frames of predictions may lie in the same segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill.experiments.logged import Exposed, columns_in
from tidemill.segments import SegmentLog, count_rows, pack_frame, read_frames

_MAGIC = b"TMS1"


@dataclass(frozen=True)
class Shown(Exposed):
    """The lists of one answered request, one for each user."""

    prediction_id: str
    requested_at: int
    """Microseconds since 1970 UTC."""
    objective: str
    model_version: str
    users: Sequence[str | None]
    """None for a session without a user."""
    cutoffs: NDArray[np.int64]
    """[n]; when each history was computed, microseconds since 1970 UTC, 0 where there is none."""
    checksums: Sequence[int]
    """CRC-32 of each packed history as it was read; 0 where there is none."""
    cold_start: NDArray[np.bool_]
    items: list[list[str]]
    """For each user, from the first position to the last; none for who was given none."""
    scores: list[list[float]]
    probabilities: list[list[float]]
    """That this item stood at this position, over all the answers the server might have given."""
    k: int
    """How many items were asked for."""
    filters: Mapping[str, Sequence[str]]
    exclude: Sequence[str]


class ShownLog(SegmentLog):
    """Appends to one segment of its own; any number of logs may share a folder."""

    def append(self, shown: Shown) -> None:
        """Durable against process death on return. Raises OSError when the disk refuses."""
        self.write(encode_shown(shown))


def read_shown(folder: Path, on_damage: Callable[[Path], None] | None = None) -> Iterator[Shown]:
    """All whole records in `folder`, oldest segment first; those of predictions are passed over.

    `on_damage` as in `read_frames`.
    """
    for header, payload in read_frames(folder, _MAGIC, on_damage):
        yield _decode(header, payload)


def count_shown(folder: Path) -> int:
    """How many lists `folder` holds; reads headers only."""
    return count_rows(folder, _MAGIC)


def encode_shown(shown: Shown) -> bytes:
    """The frame of one record."""
    header = {
        "id": shown.prediction_id,
        "at": shown.requested_at,
        "objective": shown.objective,
        "model": shown.model_version,
        "users": list(shown.users),
        "cutoffs": shown.cutoffs,
        "checksums": list(shown.checksums),
        "cold": shown.cold_start,
        "k": shown.k,
        "filters": dict(shown.filters),
        "exclude": list(shown.exclude),
        **shown.columns(),
    }
    lists = [shown.items, shown.scores, shown.probabilities]
    return pack_frame(_MAGIC, header, orjson.dumps(lists))


def _decode(header: dict[str, Any], payload: bytes) -> Shown:
    items, scores, probabilities = orjson.loads(payload)
    return Shown(
        prediction_id=header["id"],
        requested_at=header["at"],
        objective=header["objective"],
        model_version=header["model"],
        users=header["users"],
        cutoffs=np.asarray(header["cutoffs"], dtype=np.int64),
        checksums=header["checksums"],
        cold_start=np.asarray(header["cold"], dtype=np.bool_),
        items=items,
        scores=scores,
        probabilities=probabilities,
        k=header["k"],
        filters=header["filters"],
        exclude=header["exclude"],
        **columns_in(header),
    )
