"""Importing: files are read in parallel, committed in their order, and resumed where they stood."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from tidemill.events.ingesting import ImportReport, ingest
from tidemill.events.log import EventLog
from tidemill.events.staging import scratch_folder
from tidemill.events.unchecked import MALFORMED, Batch
from tidemill.importing.cores import count_cores
from tidemill.importing.files import EventFile, find_files, is_on_s3
from tidemill.importing.formats import Format
from tidemill.importing.notes import Note, name_of, noted
from tidemill.importing.parts import Part
from tidemill.importing.pool import prepared_parts
from tidemill.importing.portions import CHANNEL, Portions
from tidemill.importing.preparing import Finished, Prepared, Work
from tidemill.importing.splitting import split

_ROWS = 200_000
_WORTH_A_PROCESS = 16 * 1024 * 1024
"""Bytes of text; less is read before another process has started."""
_ANY = Format()
_WORDS = {
    "native": "events of our own format",
    "mapping": "events as the mapping says",
    "segment": "an export of Segment",
    "mixpanel": "an export of Mixpanel",
    "amplitude": "an export of Amplitude",
    "ga4": "an export of GA4",
}


@dataclass
class Audience:
    """Who hears how an import goes; by default nobody."""

    say: Callable[[str], None] = lambda _: None
    """What is worth a line."""
    on_bytes: Callable[[int, int], None] = lambda _done, _total: None
    """How many bytes are done, and of how many."""


_NOBODY = Audience()


def import_files(
    log: EventLog,
    paths: Sequence[Path | str],
    chosen: Format = _ANY,
    audience: Audience = _NOBODY,
) -> ImportReport:
    """Import the files at paths, patterns and `s3://` URLs, in commits of some million rows.

    Rows that break a rule are buried, files that break off are reported; the rest is imported. If
    an import of the same `paths` was interrupted, this one goes on where that one had committed,
    and reports on both. Raises EventLogError when nothing is found or the log cannot be written.
    """
    files = find_files(paths)
    arguments = [text if is_on_s3(text) else os.path.abspath(text) for text in map(str, paths)]
    waiting = "the same import is running already; waiting for it to end"
    with noted(
        log.root / "imports", name_of(arguments, chosen), lambda: audience.say(waiting)
    ) as note:
        _import(log, note, files, chosen, audience)
        return note.report


def import_table(log: EventLog, events: pa.Table, source: str) -> ImportReport:
    """Import a table in memory that has the EVENTS columns, by the same rules as a file."""
    return ingest(log, ((source, batch) for batch in _slices(events)), CHANNEL)


def _import(
    log: EventLog, note: Note, files: list[EventFile], chosen: Format, audience: Audience
) -> None:
    left = [file for file in files if note.reached(file).end is not None]
    if note.files:
        done = len(files) - len(left)
        audience.say(f"going on where it was interrupted: {done} of {len(files)} files are done")
    progress = _Progress(audience, files, left)
    portions = Portions(log, note)
    parts = (part for file in left for part in split(file, note.reached(file).end or 0))
    with scratch_folder(log.root / "staging") as scratch:
        work = Work(log.root, scratch, chosen, datetime.now(UTC))
        with prepared_parts(parts, work, _workers(left)) as prepared:
            for part, results in prepared:
                portions.begin(part)
                for result in results:
                    progress.show(part, result)
                    if isinstance(result, Finished):
                        portions.end(part, result)
                    else:
                        portions.add(part, result)
        portions.commit()


def _workers(files: Sequence[EventFile]) -> int:
    """How many processes are worth their start."""
    size = sum(file.text_size for file in files)
    return max(1, min(count_cores(), size // _WORTH_A_PROCESS))


class _Progress:
    """Tells the audience what is read, and how much of it."""

    def __init__(self, audience: Audience, files: list[EventFile], left: list[EventFile]) -> None:
        self._audience = audience
        self._total = sum(file.size for file in files)
        self._done = self._total - sum(file.size for file in left)
        self._formats: set[str] = set()

    def show(self, part: Part, result: Prepared | Finished) -> None:
        position = part.file.size
        if isinstance(result, Prepared):
            position = result.position
            if result.format not in self._formats:
                self._formats.add(result.format)
                self._audience.say(f"reading {_WORDS[result.format]}, first {part.file}")
        elif part.end is not None:
            return
        self._audience.on_bytes(self._done + position, self._total)
        if isinstance(result, Finished):
            self._done += position


def _slices(events: pa.Table) -> Iterator[Batch]:
    for start in range(0, events.num_rows, _ROWS):
        part = events.slice(start, _ROWS)
        lines = pa.array(range(start + 1, start + part.num_rows + 1), pa.int64())
        part = part.append_column("line", lines)
        part = part.append_column("raw", pa.nulls(part.num_rows, pa.string()))
        yield Batch(part, MALFORMED.empty_table(), 0)
