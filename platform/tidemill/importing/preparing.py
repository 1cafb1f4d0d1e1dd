"""What can be done to a part without the log: read, map, check. The result is kept in files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.events.delta import explained
from tidemill.events.ingesting import check
from tidemill.events.plan import load_plan
from tidemill.events.unchecked import UnreadableFileError
from tidemill.importing.formats import Format, format_of, read_part
from tidemill.importing.parts import Part


@dataclass(frozen=True, slots=True)
class Work:
    """What all parts of an import have in common."""

    log: Path
    scratch: Path
    """Folder for the results."""
    format: Format
    now: datetime
    """The clock that tells the future, zoned."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chunk that is ready for the log. Both files may be missing."""

    format: str
    events: str | None
    """Parquet file, EVENTS schema."""
    dead: str | None
    """Parquet file, DEAD_LETTERS schema; lines count from the beginning of the part."""
    rows: int
    """Events and dead letters together."""
    lines: int
    end: int
    """As in Chunk."""
    position: int
    """As in Batch."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A part has been read."""

    unreadable: str | None
    """Why the rest of it could not be."""


def prepare(part: Part, number: int, work: Work) -> Iterator[Prepared | Finished]:
    """The chunks of the part with that number in the import, and then its end.

    Raises EventLogError when the results cannot be written.
    """
    plan = load_plan(work.log)
    origin = str(part.file)
    try:
        name = format_of(part.file, work.format)
        for at, chunk in enumerate(read_part(part, name, work.format.mapping)):
            valid, dead = check(chunk.batch, plan, origin, work.now)
            yield Prepared(
                name,
                _keep(valid, work, f"{number}-{at}.events.parquet"),
                _keep(dead, work, f"{number}-{at}.dead.parquet"),
                valid.num_rows + dead.num_rows,
                chunk.lines,
                chunk.end,
                chunk.batch.position,
            )
    except UnreadableFileError as error:
        yield Finished(str(error))
    else:
        yield Finished(None)


def _keep(rows: pa.Table, work: Work, name: str) -> str | None:
    if not rows.num_rows:
        return None
    path = work.scratch / name
    with explained(work.log):
        # Read once and thrown away: what makes files small takes longer than it saves.
        pq.write_table(
            rows, path, compression="lz4", use_dictionary=["name"], write_statistics=False
        )
    return str(path)
