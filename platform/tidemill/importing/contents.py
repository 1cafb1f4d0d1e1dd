"""The text of a file from some byte on: plain, gzipped, a member of an archive, here or on S3."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, Protocol

from tidemill.importing.files import EventFile
from tidemill.importing.storage import open_stored

BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile)
"""What reading a damaged file raises."""
_BLOCK = 1024 * 1024
_GZIP = 31
"""What zlib calls a gzipped text."""


class Content(Protocol):
    """Something that is read from beginning to end."""

    def read(self, size: int, /) -> bytes: ...


@contextmanager
def open_content(file: EventFile, start: int) -> Iterator[tuple[Content, Callable[[], int]]]:
    """The text of `file` from byte `start` on, and how many bytes of the file were read for it.

    Raises one of BROKEN.
    """
    with open_stored(file.location) as stored:
        if file.member is None:
            yield _at(stored, file.gzipped, start), stored.tell
            return
        with zipfile.ZipFile(stored) as archive, _open_member(archive, file.member) as member:
            counted = _Counted(member)
            content = Unzipped(counted) if file.gzipped else counted
            _skip(content, start)
            yield content, counted.tell


def _open_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(name)
    except RuntimeError as error:  # encrypted, or packed by a method that Python does not know
        raise OSError(str(error)) from error


def _at(stored: BinaryIO, gzipped: bool, start: int) -> Content:
    if gzipped:
        content = Unzipped(stored)
        _skip(content, start)
        return content
    stored.seek(start)
    return stored


def _skip(content: Content, count: int) -> None:
    while count > 0:
        data = content.read(min(count, _BLOCK))
        if not data:
            raise EOFError("it is shorter than it was")
        count -= len(data)


class _Counted:
    """Counts what is read."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._count = 0

    def read(self, size: int, /) -> bytes:
        data = self._content.read(size)
        self._count += len(data)
        return data

    def tell(self) -> int:
        return self._count


class Unzipped:
    """The text of gzipped content, of one member or several in a row."""

    def __init__(self, zipped: Content) -> None:
        self._zipped = zipped
        self._pending = b""
        self._member = zlib.decompressobj(wbits=_GZIP)

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end. Raises EOFError for a text that breaks off."""
        while not self._member.eof or self._begins_another():
            data = self._unzip(self._pending or self._zipped.read(_BLOCK), size)
            if data:
                return data
        return b""

    def _unzip(self, zipped: bytes, size: int) -> bytes:
        try:
            data = self._member.decompress(zipped, size)
        except zlib.error as error:
            words = "not a gzipped file" if "header" in str(error) else str(error)
            raise OSError(words) from error
        if not (data or zipped or self._member.eof):
            raise EOFError("the gzipped text is not complete")
        self._pending = self._member.unused_data or self._member.unconsumed_tail
        return data

    def _begins_another(self) -> bool:
        """Whether another member follows; zeros that pad the end are none."""
        self._pending = (self._pending or self._zipped.read(_BLOCK)).lstrip(b"\0")
        self._member = zlib.decompressobj(wbits=_GZIP)
        return bool(self._pending)
