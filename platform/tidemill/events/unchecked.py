"""Rows as they stand in a file, before any rule is applied to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from tidemill.events.rules import TOO_DEEP
from tidemill.events.schema import EVENTS

SCALARS = tuple(name for name in EVENTS.names if name != "properties")
"""The columns of an event that hold one value each."""
UNCHECKED = pa.schema(
    [(name, pa.string()) for name in (*SCALARS, "properties")]
    + [("line", pa.int64()), ("raw", pa.string())]
)
MALFORMED = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])

_ROWS = 50_000
_CHARACTERS = 16 * 1024 * 1024
LONGEST_RAW = 64 * 1024


class UnreadableFileError(Exception):
    """A file, or the rest of one, that cannot be read at all."""


def require_columns(names: Sequence[str]) -> None:
    """Raise UnreadableFileError unless `names` can be the columns of events."""
    if "name" not in names or "timestamp" not in names:
        raise UnreadableFileError(
            "its columns must be named, among them 'name' and 'timestamp'; "
            f"found: {', '.join(names)[:200]}"
        )


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of a file."""

    unchecked: pa.Table
    """Rows of events: the columns of EVENTS of any type, plus `line` and `raw` (may be null)."""
    malformed: pa.Table
    """Rows that are not even rows; MALFORMED schema."""
    position: int
    """Bytes of the file read so far."""
    canonical: bool = False
    """Whether all properties are JSON objects with sorted keys already."""


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches that follow each other as one."""
    return Batch(
        pa.concat_tables([batch.unchecked for batch in batches]),
        pa.concat_tables([batch.malformed for batch in batches]),
        batches[-1].position,
        batches[-1].canonical,
    )


@dataclass
class Collector:
    """Gathers rows of text until they are worth a batch."""

    _rows: list[tuple[Any, ...]] = field(default_factory=list)
    _malformed: list[tuple[int, str, str]] = field(default_factory=list)
    _characters: int = 0

    def add(self, values: tuple[str | None, ...], line: int, raw: str) -> None:
        """One row: its SCALARS and its properties."""
        self._rows.append((*values, line, raw))
        self._characters += len(raw)

    def reject(self, reason: str, line: int, raw: str) -> None:
        """One row that cannot be taken apart."""
        self._malformed.append((line, reason, raw[:LONGEST_RAW]))
        self._characters += min(len(raw), LONGEST_RAW)

    def is_full(self) -> bool:
        return self._characters >= _CHARACTERS or len(self._rows) + len(self._malformed) >= _ROWS

    def take(self, position: int) -> Batch:
        """All that was gathered; the collector is empty afterwards."""
        batch = Batch(_table(self._rows, UNCHECKED), _table(self._malformed, MALFORMED), position)
        self._rows, self._malformed, self._characters = [], [], 0
        return batch


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(values, kind.type) for values, kind in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def merge_properties(properties: Any, extras: dict[str, Any]) -> str | None:
    """JSON text of `properties` and of the columns that no event has; the former win.

    Properties that are not an object are returned as they are, for the rules to refuse.
    """
    if isinstance(properties, str):
        text: str = properties
        if not extras:
            return text
        try:
            properties = orjson.loads(text) if text else None
        except orjson.JSONDecodeError:
            return text
    if properties is None and not extras:
        return None
    if properties is None or isinstance(properties, dict):
        properties = {**extras, **(properties or {})}
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC
    try:
        return orjson.dumps(properties, default=str, option=options).decode()
    except TypeError:  # orjson reads deeper than it writes
        return TOO_DEEP


def event_values(event: dict[str, Any]) -> tuple[str | None, ...]:
    """SCALARS as text, and properties, of an event in our own JSON form; takes `event` apart."""
    scalars = [event.pop(name, None) for name in SCALARS]
    properties = event.pop("properties", None)
    extras = {key: value for key, value in event.items() if value is not None}
    return (*map(_text, scalars), merge_properties(properties, extras))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
