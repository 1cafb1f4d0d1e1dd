"""Prepared chunks on their way into the log: gathered, committed together, noted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidemill.events.ingesting import ingest_staged
from tidemill.events.log import EventLog
from tidemill.importing.files import EventFile
from tidemill.importing.notes import Note, Reached
from tidemill.importing.parts import Part
from tidemill.importing.preparing import Finished, Prepared

CHANNEL = "import"
"""What the receipts of imports say."""
PORTION_ROWS = 1_000_000
_PORTION_CHUNKS = 1_000
_BURIED_BYTES = 32 * 1024 * 1024


class Portions:
    """Takes the chunks of all parts in their order; every so often one commit takes them on."""

    def __init__(self, log: EventLog, note: Note) -> None:
        self._log = log
        self._note = note
        self._reached: dict[str, Reached] = {}
        self._unreadable: dict[str, str] = {}
        self._events: list[Path] = []
        self._dead: list[tuple[Path, int]] = []
        """Each with the number of lines before its part."""
        self._rows = 0
        self._lines = 0

    def begin(self, part: Part) -> None:
        """The chunks of `part` follow."""
        self._lines = self._at(part.file).lines

    def add(self, part: Part, chunk: Prepared) -> None:
        """One chunk of the part that was begun last. Raises EventLogError."""
        if chunk.events is not None:
            self._events.append(Path(chunk.events))
        if chunk.dead is not None:
            self._dead.append((Path(chunk.dead), self._lines))
        self._rows += chunk.rows
        self._reach(part.file, chunk.end, self._lines + chunk.lines)
        if self._rows >= PORTION_ROWS or len(self._events) >= _PORTION_CHUNKS:
            self.commit()

    def end(self, part: Part, finished: Finished) -> None:
        """No more chunks of `part`."""
        if part.end is None:
            self._reach(part.file, None, 0)
        if finished.unreadable is not None:
            self._unreadable.setdefault(str(part.file), finished.unreadable)

    def commit(self) -> None:
        """Put what was gathered into the log, note how far it reaches, forget it."""
        report = ingest_staged(self._log, self._events, self._letters(), CHANNEL)
        self._note.files |= self._reached
        self._note.save(replace(report, unreadable=self._unreadable))
        for path in (*self._events, *(path for path, _ in self._dead)):
            path.unlink()
        self._reached, self._unreadable = {}, {}
        self._events, self._dead, self._rows = [], [], 0

    def _at(self, file: EventFile) -> Reached:
        return self._reached.get(str(file)) or self._note.reached(file)

    def _reach(self, file: EventFile, end: int | None, lines: int) -> None:
        self._reached[str(file)] = Reached(file.size, file.modified, end, lines)

    def _letters(self) -> Iterator[pa.Table]:
        """The dead letters, with the line numbers of their files, some megabytes at a time."""
        sizes = 0
        numbered = []
        for path, lines in self._dead:
            numbered.append((sizes // _BURIED_BYTES, path, lines))
            sizes += path.stat().st_size
        for _, group in groupby(numbered, key=lambda each: each[0]):
            yield pa.concat_tables([_shifted(path, lines) for _, path, lines in group])


def _shifted(path: Path, lines: int) -> pa.Table:
    letters = pq.read_table(path)
    at = letters.schema.get_field_index("line")
    return letters.set_column(at, letters.schema.field(at), pc.add(letters["line"], lines))
