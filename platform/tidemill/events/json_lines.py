"""Events as JSON objects, one a line. Keys that no event has become properties."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tidemill.events.lines import Line, open_lines
from tidemill.events.unchecked import SCALARS, Batch, Collector, merge_properties


class _MalformedError(Exception):
    """A line that is not an event; the message is the reason."""


def read_json_lines(path: Path) -> Iterator[Batch]:
    """Batches of a file of JSON objects. Raises UnreadableFileError."""
    collector = Collector()
    with open_lines(path) as lines:
        for line in lines:
            _collect(line, collector)
            if collector.is_full():
                yield collector.take(lines.position())
        yield collector.take(lines.position())
        lines.require_end()


def _collect(line: Line, collector: Collector) -> None:
    if not line.data.strip():
        return
    raw = line.data.decode(errors="replace").rstrip("\r\n")
    try:
        collector.add(_values(line), line.number, raw)
    except _MalformedError as error:
        collector.reject(str(error), line.number, raw)


def _values(line: Line) -> tuple[str | None, ...]:
    """SCALARS and properties of one event."""
    event = _parse(line)
    scalars = [event.pop(name, None) for name in SCALARS]
    if any(isinstance(value, dict | list) for value in scalars):
        raise _MalformedError("a field is not a single value")
    properties = event.pop("properties", None)
    extras = {key: value for key, value in event.items() if value is not None}
    return (*map(_text, scalars), merge_properties(properties, extras))


def _parse(line: Line) -> dict[str, Any]:
    if not line.is_whole:
        raise _MalformedError("line over 1 MB")
    try:
        event = orjson.loads(line.data)
    except orjson.JSONDecodeError as error:
        raise _MalformedError("malformed JSON") from error
    if not isinstance(event, dict):
        raise _MalformedError("not a JSON object")
    return event


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
