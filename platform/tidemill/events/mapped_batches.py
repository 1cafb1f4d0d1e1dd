"""Events in the log's own terms, as a batch that is ready for the rules."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from tidemill.events.mapped import MappedEvent
from tidemill.events.schema import TIMESTAMP
from tidemill.events.unchecked import MALFORMED, Batch

_TYPES = {
    **dict.fromkeys(MappedEvent._fields, pa.string()),
    "timestamp": TIMESTAMP,
    "received_at": TIMESTAMP,
    "value": pa.float64(),
}


def mapped_batch(
    events: Sequence[MappedEvent],
    refused: Sequence[tuple[int | None, str, str]] = (),
    lines: Sequence[int] | None = None,
    raws: Sequence[str] | None = None,
    position: int = 0,
) -> Batch:
    """A batch of `events`, with `refused` as (line, reason, raw).

    `lines` and `raws` are where each event stood in its file, and its text there.
    """
    count = len(events)
    columns = list(zip(*events, strict=True)) if events else [()] * len(_TYPES)
    arrays = {
        name: pa.array(values, kind)
        for (name, kind), values in zip(_TYPES.items(), columns, strict=True)
    }
    arrays["line"] = pa.nulls(count, pa.int64()) if lines is None else pa.array(lines, pa.int64())
    arrays["raw"] = pa.nulls(count, pa.string()) if raws is None else pa.array(raws, pa.string())
    rows = [dict(zip(("line", "reason", "raw"), each, strict=True)) for each in refused]
    malformed = pa.Table.from_pylist(rows, schema=MALFORMED)
    return Batch(pa.table(arrays), malformed, position, canonical=True)
