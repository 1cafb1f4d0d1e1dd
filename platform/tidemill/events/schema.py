"""The shape of the event log's tables."""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")

EVENTS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("anonymous_id", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("timestamp", TIMESTAMP),
        pa.field("received_at", TIMESTAMP),
        pa.field("value", pa.float64()),
        pa.field("properties", pa.string()),
    ]
)
"""Things users did. `properties` is a JSON object with sorted keys, '{}' if there are none."""

ITEMS = pa.schema(
    [pa.field("item_id", pa.string(), nullable=False), pa.field("attributes", pa.string())]
)
"""Things that can be offered. `attributes` is a JSON object of text to scalar, keys sorted."""

DEAD_LETTERS = pa.schema(
    [
        pa.field("received_at", TIMESTAMP),
        pa.field("reason", pa.string()),
        pa.field("source", pa.string()),
        pa.field("line", pa.int64()),
        pa.field("raw", pa.string()),
    ]
)
"""Rows that were refused: why, from which file, on which line (from 1), and their text."""

MARKS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("marked_at", TIMESTAMP),
    ]
)
"""Events that are kept but not counted: `repeat` for a repeated click, `bot` for a bot's rate."""

RECEIPTS = pa.schema(
    [
        pa.field("at", TIMESTAMP),
        pa.field("channel", pa.string()),
        pa.field("accepted", pa.int64()),
        pa.field("duplicates", pa.int64()),
        pa.field("rejected", pa.int64()),
        pa.field("repeats", pa.int64()),
        pa.field("bots", pa.int64()),
        pa.field("clock_offset", pa.float64()),
    ]
)
"""What became of the events that came in together: `channel` is `import`, `retry` or a collector's
source, `clock_offset` the median seconds that clients' clocks were ahead, null when unknown."""
