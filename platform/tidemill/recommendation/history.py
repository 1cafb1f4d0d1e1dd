"""One user's history as it lies in the online store, and as a model reads it.

A packed row: uint32 length of the JSON that follows | JSON {items, context, is_cut, excluded,
until} | float32 [items, FACTS] | float32 [ACTIVITY], little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill.recommendation.interests import ACTIVITY, FACTS

LAYOUT = ("history",)
"""Features of an online view that holds packed histories."""
_HEADER = struct.Struct("<I")
_WIDTH = len(FACTS)


@dataclass(frozen=True)
class History:
    """What one user was interested in, latest first."""

    items: tuple[str, ...]
    facts: NDArray[np.float32]
    """[items, FACTS]."""
    activity: NDArray[np.float32]
    """[ACTIVITY]."""
    context: str | None = None
    is_cut: bool = False
    """Older items were left out."""
    excluded: dict[str, int | None] = field(default_factory=dict)
    """Items that may not be offered, and until when, microseconds since 1970 UTC; None for ever."""


def pack_history(history: History) -> bytes:
    """The row of the online store."""
    header = orjson.dumps(
        {
            "items": history.items,
            "context": history.context,
            "is_cut": history.is_cut,
            "excluded": list(history.excluded),
            "until": list(history.excluded.values()),
        }
    )
    facts = np.ascontiguousarray(history.facts, dtype="<f4").tobytes()
    activity = np.ascontiguousarray(history.activity, dtype="<f4").tobytes()
    return b"".join((_HEADER.pack(len(header)), header, facts, activity))


def unpack_history(row: bytes) -> History:
    """What `pack_history` packed."""
    (length,) = _HEADER.unpack_from(row)
    start = _HEADER.size + length
    header = orjson.loads(row[_HEADER.size : start])
    items = tuple(header["items"])
    flat = np.frombuffer(row, dtype="<f4", offset=start)
    split = len(items) * _WIDTH
    return History(
        items=items,
        facts=flat[:split].reshape(len(items), _WIDTH),
        activity=flat[split:],
        context=header["context"],
        is_cut=header["is_cut"],
        excluded=dict(zip(header["excluded"], header["until"], strict=True)),
    )


def session_history(items: Sequence[str], context: str | None = None) -> History:
    """The history of somebody of whom only the items just looked at are known, latest first."""
    distinct = tuple(dict.fromkeys(items))
    facts = np.ones((len(distinct), _WIDTH), dtype=np.float32)
    facts[:, FACTS.index("days_since_last") :] = 0
    activity = np.ones(len(ACTIVITY), dtype=np.float32)
    activity[ACTIVITY.index("days_since_last") :] = 0
    return History(distinct, facts, activity if distinct else activity * 0, context)
