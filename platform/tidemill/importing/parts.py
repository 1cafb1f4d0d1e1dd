"""A file in parts that can be read apart from each other, and what is read of them."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.events.unchecked import Batch
from tidemill.importing.files import EventFile


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file: all rows that begin in it."""

    file: EventFile
    start: int = 0
    """Bytes of the unzipped text before it; of a Parquet file, rows."""
    end: int | None = None
    """Where it ends, measured as `start`; None for the end of the file."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows of a part."""

    batch: Batch
    """Lines count from 1 at the beginning of the part."""
    lines: int
    """Lines of the part up to the end of the chunk."""
    end: int
    """Where the next chunk begins, measured as `Part.start`."""
