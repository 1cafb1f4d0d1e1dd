"""Events in CSV files whose first line names the columns. Unknown columns become properties."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from tidemill.events.lines import Lines, open_lines
from tidemill.events.unchecked import (
    SCALARS,
    Batch,
    Collector,
    UnreadableFileError,
    merge_properties,
    require_columns,
)


def read_csv(path: Path) -> Iterator[Batch]:
    """Batches of a CSV file; empty fields are missing values. Raises UnreadableFileError."""
    collector = Collector()
    with open_lines(path) as lines:
        records = _Records(lines, collector)
        layout = _Layout(records.header())
        for fields, line, raw in records:
            if len(fields) == layout.width:
                collector.add(layout.values(fields), line, raw)
            elif fields:
                collector.reject(f"not {layout.width} fields", line, raw)
            if collector.is_full():
                yield collector.take(lines.position())
        yield collector.take(lines.position())
        lines.require_end()


class _Layout:
    """Which column is what."""

    def __init__(self, header: list[str]) -> None:
        names = [name.strip() for name in header]
        require_columns(names)
        self.width = len(names)
        self._scalars = [names.index(name) if name in names else -1 for name in SCALARS]
        self._properties = names.index("properties") if "properties" in names else -1
        known = {*self._scalars, self._properties}
        self._extras = [(name, at) for at, name in enumerate(names) if at not in known]

    def values(self, fields: list[str]) -> tuple[str | None, ...]:
        """SCALARS and properties of one record."""
        extras = {name: fields[at] for name, at in self._extras if fields[at]}
        properties = fields[self._properties] if self._properties >= 0 else None
        scalars = (fields[at] or None if at >= 0 else None for at in self._scalars)
        return (*scalars, merge_properties(properties, extras))


class _Records:
    """Records with the number of their first line and their text as it stands.

    A record may span lines. Lines and records that cannot be parsed go to the collector.
    """

    def __init__(self, lines: Lines, collector: Collector) -> None:
        self._lines = lines
        self._collector = collector
        self._pending: list[str] = []
        self._first_line = 1
        self._parser = csv.reader(self._texts(), strict=True)

    def header(self) -> list[str]:
        for fields, _, _ in self:
            return fields
        self._lines.require_end()
        raise UnreadableFileError("it has no first line that names the columns")

    def __iter__(self) -> Iterator[tuple[list[str], int, str]]:
        while True:
            self._pending.clear()
            try:
                fields = next(self._parser)
            except StopIteration:
                return
            except csv.Error:
                self._collector.reject("malformed CSV", self._first_line, self._raw())
            else:
                yield fields, self._first_line, self._raw()

    def _raw(self) -> str:
        return "".join(self._pending).rstrip("\r\n")

    def _texts(self) -> Iterator[str]:
        for line in self._lines:
            text = line.data.decode(errors="replace")
            if not line.is_whole:
                self._collector.reject("line over 1 MB", line.number, text)
            elif "\ufffd" in text and text.encode() != line.data:
                self._collector.reject("not UTF-8 text", line.number, text)
            else:
                if not self._pending:
                    self._first_line = line.number
                self._pending.append(text)
                yield text
