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
