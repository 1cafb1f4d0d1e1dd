"""Lines of a text of any size in flat memory, and of a stretch of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tidemill.events.unchecked import UnreadableFileError
from tidemill.importing.contents import BROKEN, Content, open_content
from tidemill.importing.parts import Part

LONGEST_LINE = 1024 * 1024
"""Bytes; of a longer line only the beginning is kept."""
_BLOCK = 1024 * 1024
"""What fits into a processor's cache is read in two thirds of the time."""
_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    number: int
    """From 1, at the beginning of the part."""
    data: bytes
    """Without its end."""
    is_whole: bool
    """False if the line is longer than LONGEST_LINE."""
    end: int
    """Where the next line begins, in bytes of the text."""


class Block(NamedTuple):
    lines: list[bytes]
    """Whole lines without their ends; one over LONGEST_LINE may be cut, but not below that."""
    first: int
    """Number of the first line."""
    end: int
    """Where the next block begins, in bytes of the text."""


class Lines:
    """The lines that begin in a part. A file that breaks off ends them; `require_end` tells."""

    def __init__(self, content: Content, tell: Callable[[], int], part: Part, offset: int) -> None:
        self.position = tell
        """Bytes of the file read so far."""
        self._content = content
        self._part = part
        self._offset = offset
        self._error: Exception | None = None

    def blocks(self) -> Iterator[Block]:
        """All lines, some megabytes at a time."""
        number = 1
        try:
            for lines, end in self._read():
                yield Block(lines, number, end)
                number += len(lines)
        except BROKEN as error:
            self._error = error

    def __iter__(self) -> Iterator[Line]:
        """All lines, one at a time."""
        for lines, number, end in self.blocks():
            # Only a line that is alone in its block may have been cut.
            at = end if len(lines) == 1 else end - sum(map(len, lines)) - len(lines)
            for after, data in enumerate(lines):
                at = at if len(lines) == 1 else at + len(data) + 1
                is_whole = len(data) <= LONGEST_LINE
                yield Line(number + after, data[:LONGEST_LINE], is_whole, at)

    def require_end(self) -> None:
        """Raise UnreadableFileError if the file broke off."""
        if self._error is not None:
            raise UnreadableFileError(f"it breaks off: {self._error}") from self._error

    def _read(self) -> Iterator[tuple[list[bytes], int]]:
        rest, is_cut = b"", False
        for piece, end in self._pieces():
            if is_cut:
                at = piece.find(b"\n") + 1
                if not at:
                    continue
                yield [rest], end - len(piece) + at
                rest, is_cut, piece = b"", False, piece[at:]  # noqa: PLW2901 - the rest of it
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield lines, end - len(rest)
            if len(rest) > LONGEST_LINE:
                rest, is_cut = rest[: LONGEST_LINE + 1], True
        if rest:
            yield [rest], self._offset

    def _pieces(self) -> Iterator[tuple[bytes, int]]:
        """The part's bytes and where each piece ends: from the first line that begins in it on."""
        begun, last = self._part.start == 0, self._part.end
        while piece := self._content.read(_BLOCK):
            at = self._offset
            self._offset += len(piece)
            first = 0 if begun else piece.find(b"\n") + 1
            begun = begun or first > 0
            if at == 0 and piece.startswith(_BOM):
                first = max(first, len(_BOM))
            if last is not None and self._offset >= last:
                stop = piece.find(b"\n", max(0, last - 1 - at)) + 1
                if stop:
                    yield piece[first:stop], at + stop
                    return
            if begun:
                yield piece[first:], self._offset


@contextmanager
def open_lines(part: Part) -> Iterator[Lines]:
    """The lines that begin in `part` of a text. Raises UnreadableFileError."""
    # From the byte before it on: a line begins at `start` if that byte ends another.
    before = max(part.start - 1, 0)
    try:
        with open_content(part.file, before) as (content, tell):
            yield Lines(content, tell, part, before)
    except BROKEN as error:
        raise UnreadableFileError(str(error)) from error
