"""Events in CSV files whose first line names the columns."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

from tidemill.events.unchecked import (
    SCALARS,
    Collector,
    UnreadableFileError,
    merge_properties,
    require_columns,
)
from tidemill.importing.lines import Lines, open_lines
from tidemill.importing.parts import Chunk, Part
from tidemill.importing.records import Mapped, Mapper

_Row = tuple[list[str], int, str]
"""Fields, number of the first line, text."""


def read_csv(part: Part, mapper: Mapper | None) -> Iterator[Chunk]:
    """Chunks of a CSV file; empty fields are missing values. Raises UnreadableFileError.

    Without a mapper the columns are our own, and those that no event has become properties.
    """
    names = _header(part)
    rows = _OwnRows(names) if mapper is None else _MappedRows(names, mapper)
    with open_lines(part) as lines:
        records = _Records(lines, rows.gathered.reject)
        found = iter(records)
        if part.start == 0:
            next(found)
        for row in found:
            if len(row[0]) == len(names):
                rows.add(*row)
            elif row[0]:
                rows.gathered.reject(f"not {len(names)} fields", *row[1:])
            if rows.gathered.is_full():
                yield Chunk(rows.gathered.take(lines.position()), records.lines, records.end)
        yield Chunk(rows.gathered.take(lines.position()), records.lines, records.end)
        lines.require_end()


def _header(part: Part) -> list[str]:
    with open_lines(Part(part.file)) as lines:
        for fields, _, _ in _Records(lines, lambda *_: None):
            return [name.strip() for name in fields]
        lines.require_end()
    raise UnreadableFileError("it has no first line that names the columns")


class _OwnRows:
    """Rows whose columns are named as ours."""

    def __init__(self, names: list[str]) -> None:
        require_columns(names)
        self.gathered = Collector()
        self._scalars = [names.index(name) if name in names else -1 for name in SCALARS]
        self._properties = names.index("properties") if "properties" in names else -1
        known = {*self._scalars, self._properties}
        self._extras = [(name, at) for at, name in enumerate(names) if at not in known]

    def add(self, fields: list[str], line: int, raw: str) -> None:
        extras = {name: fields[at] for name, at in self._extras if fields[at]}
        properties = fields[self._properties] if self._properties >= 0 else None
        scalars = (fields[at] or None if at >= 0 else None for at in self._scalars)
        self.gathered.add((*scalars, merge_properties(properties, extras)), line, raw)


class _MappedRows:
    """Rows with any columns."""

    def __init__(self, names: list[str], mapper: Mapper) -> None:
        mapper.require(names)
        self.gathered = Mapped(mapper.to_event)
        self._names = names

    def add(self, fields: list[str], line: int, raw: str) -> None:
        record = {name: text for name, text in zip(self._names, fields, strict=True) if text}
        self.gathered.add(record, line, raw)


class _Records:
    """Records with the number of their first line and their text as it stands.

    A record may span lines. Lines and records that cannot be parsed are handed to `reject`.
    """

    def __init__(self, lines: Lines, reject: Callable[[str, int, str], None]) -> None:
        self.lines = 0
        """Lines of the part up to the end of the last record."""
        self.end = 0
        """Bytes of the text up to there."""
        self._lines = lines
        self._reject = reject
        self._pending: list[str] = []
        self._first_line = 1
        self._parser = csv.reader(self._texts(), strict=True)

    def __iter__(self) -> Iterator[_Row]:
        while True:
            self._pending.clear()
            try:
                fields = next(self._parser)
            except StopIteration:
                return
            except csv.Error:
                self._reject("malformed CSV", self._first_line, self._raw())
            else:
                yield fields, self._first_line, self._raw()

    def _raw(self) -> str:
        return "".join(self._pending).rstrip("\r\n")

    def _texts(self) -> Iterator[str]:
        for line in self._lines:
            self.lines, self.end = line.number, line.end
            text = line.data.decode(errors="replace")
            if not line.is_whole:
                self._reject("line over 1 MB", line.number, text)
            elif "\ufffd" in text and text.encode() != line.data:
                self._reject("not UTF-8 text", line.number, text)
            else:
                if not self._pending:
                    self._first_line = line.number
                self._pending.append(f"{text}\n")
                yield self._pending[-1]
