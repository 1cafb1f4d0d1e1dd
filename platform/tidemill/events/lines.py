"""Lines of a text file of any size, plain or gzipped, in flat memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tidemill.events.unchecked import UnreadableFileError

LONGEST_LINE = 1024 * 1024
"""Bytes; of a longer line only the beginning is kept."""
_BOM = b"\xef\xbb\xbf"
_BROKEN = (OSError, EOFError, zlib.error)


class Line(NamedTuple):
    number: int
    """From 1."""
    data: bytes
    is_whole: bool
    """False if the line is longer than LONGEST_LINE."""


class Lines:
    """Iterates over lines. A file that breaks off ends the iteration; `require_end` tells."""

    def __init__(self, file: BinaryIO, content: BinaryIO) -> None:
        self._file = file
        self._content = content
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[Line]:
        try:
            yield from self._read()
        except _BROKEN as error:
            self._error = error

    def position(self) -> int:
        """Bytes of the file read so far."""
        return self._file.tell()

    def require_end(self) -> None:
        """Raise UnreadableFileError if the file broke off."""
        if self._error is not None:
            raise UnreadableFileError(f"it breaks off: {self._error}") from self._error

    def _read(self) -> Iterator[Line]:
        number = 0
        while data := self._content.readline(LONGEST_LINE):
            number += 1
            is_whole = data.endswith(b"\n") or len(data) < LONGEST_LINE
            if not is_whole:
                self._skip_line()
            yield Line(number, data.removeprefix(_BOM) if number == 1 else data, is_whole)

    def _skip_line(self) -> None:
        while data := self._content.readline(LONGEST_LINE):
            if data.endswith(b"\n"):
                return


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """The lines of `path`, unzipped if it ends in .gz. Raises UnreadableFileError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableFileError(str(error)) from error
    with file:
        if path.suffix == ".gz":
            yield Lines(file, io.BufferedReader(gzip.GzipFile(fileobj=file)))
        else:
            yield Lines(file, file)
