"""Events as JSON objects, one a line: our own, or another format's through a mapper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tidemill.events.mapped import RefusedError
from tidemill.events.unchecked import (
    SCALARS,
    Batch,
    Collector,
    UnreadableFileError,
    event_values,
    joined,
)
from tidemill.importing.lines import LONGEST_LINE, Block, open_lines
from tidemill.importing.parts import Chunk, Part
from tidemill.importing.records import Mapped, Mapper

_CHUNK_BYTES = 16 * 1024 * 1024
_MALFORMED = "malformed JSON"
_NOT_AN_OBJECT = "not a JSON object"


def read_json_lines(part: Part, mapper: Mapper | None) -> Iterator[Chunk]:
    """Chunks of a file of JSON objects. Raises UnreadableFileError.

    Without a mapper they are our own, and keys that no event has become properties.
    """
    batches: list[Batch] = []
    with open_lines(part) as lines:
        begun = part.start
        for block in lines.blocks():
            if part.start == 0 and block.first == 1:
                _refuse_array(block)
            position = lines.position()
            batches.append(
                _own(block, position) if mapper is None else _mapped(block, mapper, position)
            )
            read = block.first + len(block.lines) - 1
            if block.end - begun >= _CHUNK_BYTES:
                yield Chunk(joined(batches), read, block.end)
                batches, begun = [], block.end
        if batches:
            yield Chunk(joined(batches), read, block.end)
        lines.require_end()


def first_record(part: Part) -> Any:
    """The first line that is not blank; None if there is none, or it is no JSON."""
    with open_lines(part) as lines:
        first = next((line.data for line in lines if line.data.strip()), b"")
    try:
        return orjson.loads(first)
    except orjson.JSONDecodeError:
        return None


def _own(block: Block, position: int) -> Batch:
    collector = Collector()
    for number, data in enumerate(block.lines, block.first):
        try:
            collector.add(_values(_parse(data)), number, data.decode().rstrip("\r"))
        except RefusedError as error:
            if data.strip():
                collector.reject(str(error), number, _text_of(data))
    return collector.take(position)


def _mapped(block: Block, mapper: Mapper, position: int) -> Batch:
    mapped = Mapped(mapper.to_event)
    # The loop that everything waits for: nothing is looked up twice.
    to_event, add_event, add_line = mapper.to_event, mapped.events.append, mapped.lines.append
    for number, data in enumerate(block.lines, block.first):
        try:
            add_event(to_event(_parse(data)))
            add_line(number)
        except RefusedError as error:
            if data.strip():
                mapped.reject(str(error), number, _text_of(data))
    return mapped.take(position)


def _values(event: dict[str, Any]) -> tuple[str | None, ...]:
    """SCALARS and properties of one event of our own."""
    if any(isinstance(event.get(name), dict | list) for name in SCALARS):
        raise RefusedError("a field is not a single value")
    return event_values(event)


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > LONGEST_LINE:
        raise RefusedError("line over 1 MB")
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RefusedError(_MALFORMED) from error
    if type(event) is not dict:
        raise RefusedError(_NOT_AN_OBJECT)
    return event


def _text_of(data: bytes) -> str:
    return data[:LONGEST_LINE].decode(errors="replace").rstrip("\r")


def _refuse_array(block: Block) -> None:
    """A line of its own may be an array by mistake; objects in an array are another format."""
    first = next((line.strip() for line in block.lines if line.strip()), b"")
    if first == b"[" or first.startswith(b"[{"):
        raise UnreadableFileError(
            "it is one JSON array; write one object a line, as `jq -c '.[]'` does"
        )
