"""Files in parts that several processes can read at once."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.events.unchecked import UnreadableFileError
from tidemill.importing.files import EventFile
from tidemill.importing.parquet_files import row_ranges
from tidemill.importing.parts import Part

PART_BYTES = 64 * 1024 * 1024


def split(file: EventFile, start: int = 0) -> Iterator[Part]:
    """The rest of a file from `start` on, in parts of about PART_BYTES; the last has no end.

    A line of JSON can be found from the middle of a file, a row group in its index. A record of
    CSV may span lines, and gzipped text has to be read from its beginning.
    """
    if file.size <= PART_BYTES or file.gzipped or file.member is not None:
        yield Part(file, start)
    elif file.kind == "json":
        yield from _stretches(file, start)
    elif file.kind == "parquet":
        yield from _row_groups(file, start)
    else:
        yield Part(file, start)


def _stretches(file: EventFile, start: int) -> Iterator[Part]:
    while file.size - start > PART_BYTES:
        yield Part(file, start, start + PART_BYTES)
        start += PART_BYTES
    yield Part(file, start)


def _row_groups(file: EventFile, start: int) -> Iterator[Part]:
    try:
        yield from row_ranges(Part(file, start), PART_BYTES)
    except UnreadableFileError:
        yield Part(file, start)  # whoever reads it says why it cannot be read
