"""Which format a file is written in, and how its records are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tidemill.connectors.detect import detect_format
from tidemill.connectors.exports import EXPORTS
from tidemill.errors import EventLogError
from tidemill.events.unchecked import UnreadableFileError
from tidemill.importing.csv_files import read_csv
from tidemill.importing.files import EventFile
from tidemill.importing.json_lines import first_record, read_json_lines
from tidemill.importing.mapping import EventMapping, mapper_of
from tidemill.importing.parquet_files import first_row, read_parquet
from tidemill.importing.parts import Chunk, Part
from tidemill.importing.records import Mapper

NATIVE = "native"
MAPPED = "mapping"
FORMATS = (NATIVE, *EXPORTS)
_READERS: dict[str, Callable[[Part, Mapper | None], Iterator[Chunk]]] = {
    "csv": read_csv,
    "json": read_json_lines,
    "parquet": read_parquet,
}
_FIRST: dict[str, Callable[[Part], Any]] = {"json": first_record, "parquet": first_row}


@dataclass(frozen=True, slots=True)
class Format:
    """How files are to be read."""

    name: str | None = None
    """One of FORMATS; None: told from the first record of each file."""
    mapping: EventMapping | None = None
    """What the columns are; only without a name."""

    def __post_init__(self) -> None:
        if self.name is not None and self.mapping is not None:
            raise EventLogError(
                f"a mapping and the format '{self.name}' exclude each other",
                hint="leave one of --mapping and --format out",
            )
        if self.name is not None and self.name not in FORMATS:
            raise EventLogError(
                f"there is no format '{self.name}'", hint=f"formats: {', '.join(FORMATS)}"
            )


def format_of(file: EventFile, chosen: Format) -> str:
    """The name of the format in which `file` is read.

    Raises UnreadableFileError if that cannot be, or it is plainly the export of somebody else.
    """
    if chosen.mapping is not None:
        return MAPPED
    if chosen.name == NATIVE:
        return NATIVE
    found = _exporter(file)
    if chosen.name is not None and found not in (None, chosen.name):
        raise UnreadableFileError(
            f"it is an export of {found}, not of {chosen.name}; leave out --format"
        )
    return chosen.name or found or NATIVE


@lru_cache(maxsize=8)
def _exporter(file: EventFile) -> str | None:
    """Whose export `file` looks like; None for our own format and for anything unknown."""
    look = _FIRST.get(file.kind)
    first = None if look is None else look(Part(file))
    return None if first is None else detect_format(first)


def read_part(part: Part, name: str, mapping: EventMapping | None) -> Iterator[Chunk]:
    """Chunks of a part in the format `name`. Raises UnreadableFileError."""
    if name in EXPORTS and part.file.kind == "csv":
        raise UnreadableFileError(
            f"a CSV file holds no export of {name}; leave out --format, "
            "or say with --mapping what its columns are"
        )
    return _READERS[part.file.kind](part, _mapper(name, mapping))


def _mapper(name: str, mapping: EventMapping | None) -> Mapper | None:
    if mapping is not None:
        return mapper_of(mapping.spec)
    return Mapper(EXPORTS[name], _any_columns) if name in EXPORTS else None


def _any_columns(_: Sequence[str]) -> None:
    """Each record is judged on its own."""
