"""Importing: read, check, keep the good events, bury the bad ones, count both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from tidemill.events.files import read_file
from tidemill.events.log import EventLog
from tidemill.events.schema import DEAD_LETTERS
from tidemill.events.unchecked import MALFORMED, Batch, UnreadableFileError
from tidemill.events.validate import validate

_ROWS = 200_000


@dataclass(frozen=True)
class ImportReport:
    """What became of everything that was read."""

    accepted: int
    duplicates: int
    rejected: dict[str, int]
    """Rows by reason, the most frequent first; each is kept as a dead letter."""
    unreadable: dict[str, str]
    """Files that could not be read, or not to their end, and why."""

    @property
    def is_empty(self) -> bool:
        """True when not one valid event was found."""
        return self.accepted + self.duplicates == 0


def import_files(
    log: EventLog, files: Sequence[Path], on_bytes: Callable[[int], None] = lambda _: None
) -> ImportReport:
    """Import `files` in one commit; `on_bytes` hears how much of them was read since last time.

    Rows that break a rule are buried, files that break off are reported; the rest is imported.
    Raises EventLogError when the log cannot be written.
    """
    unreadable: dict[str, str] = {}

    def batches() -> Iterator[tuple[str, Batch]]:
        for path in files:
            position = 0
            try:
                for batch in read_file(path):
                    yield str(path), batch
                    on_bytes(batch.position - position)
                    position = batch.position
            except UnreadableFileError as error:
                unreadable[str(path)] = str(error)

    return _import(log, batches(), unreadable)


def import_table(log: EventLog, events: pa.Table, source: str) -> ImportReport:
    """Import a table in memory that has the EVENTS columns, by the same rules as a file."""
    return _import(log, ((source, batch) for batch in _slices(events)), {})


def _slices(events: pa.Table) -> Iterator[Batch]:
    for start in range(0, events.num_rows, _ROWS):
        part = events.slice(start, _ROWS)
        lines = pa.array(range(start + 1, start + part.num_rows + 1), pa.int64())
        part = part.append_column("line", lines)
        part = part.append_column("raw", pa.nulls(part.num_rows, pa.string()))
        yield Batch(part, MALFORMED.empty_table(), 0)


def _import(
    log: EventLog, batches: Iterable[tuple[str, Batch]], unreadable: dict[str, str]
) -> ImportReport:
    rejected: Counter[str] = Counter()
    now = datetime.now(UTC)

    def valid() -> Iterator[pa.RecordBatch]:
        for source, batch in batches:
            checked = validate(batch.unchecked, source, now)
            dead = pa.concat_tables([checked.dead, _dead(batch.malformed, source, now)])
            if dead.num_rows:
                log.bury(dead)
                rejected.update(dead.column("reason").to_pylist())
            yield from checked.valid.to_batches()

    appended = log.append(valid())
    return ImportReport(
        appended.accepted, appended.duplicates, dict(rejected.most_common()), unreadable
    )


def _dead(malformed: pa.Table, source: str, now: datetime) -> pa.Table:
    count = malformed.num_rows
    columns = {
        "received_at": pa.array([now] * count, DEAD_LETTERS.field("received_at").type),
        "reason": malformed.column("reason"),
        "source": pa.array([source] * count, pa.string()),
        "line": malformed.column("line"),
        "raw": malformed.column("raw"),
    }
    return pa.table(columns, schema=DEAD_LETTERS)
