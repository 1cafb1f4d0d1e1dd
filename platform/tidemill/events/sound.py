"""Events that plainly keep every rule of `validate`, found without asking DuckDB.

Nearly all events of a connector do, and these few column operations cost a twentieth of the query.
Whatever is in doubt is left to the query, so this may err on one side only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, reduce

import pyarrow as pa
import pyarrow.compute as pc

from tidemill.events.ids import NOBODY_IDS
from tidemill.events.rules import LARGEST_PROPERTIES, LONGEST_ID
from tidemill.events.schema import TIMESTAMP

_IDS = ("event_id", "name", "user_id", "anonymous_id", "item_id")
_EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)


def is_sound(events: pa.Table, latest: datetime, farthest: datetime) -> pa.ChunkedArray:
    """Which rows certainly keep the rules as they are; columns typed as `mapped_batch` does.

    `latest` is the last possible `received_at` and `farthest` the last possible `timestamp`.
    """
    timestamp, received_at, value = (events[n] for n in ("timestamp", "received_at", "value"))
    user_id, anonymous_id = events["user_id"], events["anonymous_id"]
    checks = [
        *(pc.is_valid(events[name]) for name in ("event_id", "name", "properties")),
        *(_is_text(events[name]) for name in _IDS),
        *(_is_somebody(events[name]) for name in ("user_id", "anonymous_id")),
        pc.or_(pc.is_valid(user_id), pc.is_valid(anonymous_id)),
        _is_between(timestamp, _EARLIEST, farthest),
        _is_between(received_at, datetime.min.replace(tzinfo=UTC), latest),
        _or_missing(pc.is_finite(value)),
        _or_missing(pc.less_equal(pc.binary_length(events["properties"]), LARGEST_PROPERTIES)),
    ]
    return reduce(pc.and_, checks)


def _is_text(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Of a length between the limits even if each character were one byte, and trimmed."""
    size = pc.binary_length(ids)
    trimmed = pc.equal(size, pc.binary_length(pc.ascii_trim(ids, " ")))
    return _or_missing(
        pc.and_(trimmed, pc.and_(pc.greater(size, 0), pc.less_equal(size, LONGEST_ID)))
    )


def _is_somebody(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    named = pc.invert(pc.is_in(pc.utf8_lower(ids), value_set=_nobody()))
    return _or_missing(pc.and_(named, pc.not_equal(pc.ascii_trim(ids, "0-"), "")))


@cache
def _nobody() -> pa.Array:
    return pa.array(sorted(NOBODY_IDS), pa.string())


def _is_between(times: pa.ChunkedArray, first: datetime, last: datetime) -> pa.ChunkedArray:
    low, high = (pa.scalar(end, TIMESTAMP) for end in (first, last))
    inside = pc.and_(pc.greater_equal(times, low), pc.less_equal(times, high))
    return pc.fill_null(inside, False)


def _or_missing(checked: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(checked, True)
