"""How far an import has come, for the same command after an interruption.

The note is written after each commit. It may lag behind the log by one commit, if the process died
in between; what is then read again is recognised as duplicates.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from tidemill.events.ingesting import ImportReport, combined
from tidemill.importing.files import EventFile
from tidemill.importing.formats import Format


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a file was read."""

    size: int
    modified: int
    """Of the file, as it was then."""
    end: int | None = 0
    """Where the next chunk begins; None when the file was read to its end."""
    lines: int = 0
    """Lines before it."""


@dataclass
class Note:
    """What an unfinished import has committed."""

    path: Path
    files: dict[str, Reached] = field(default_factory=dict)
    report: ImportReport = field(default_factory=lambda: ImportReport(0, 0, {}))

    def reached(self, file: EventFile) -> Reached:
        """Where to go on with `file`: at its beginning if it is new or has changed."""
        fresh = Reached(file.size, file.modified)
        found = self.files.get(str(file), fresh)
        return found if (found.size, found.modified) == (file.size, file.modified) else fresh

    def save(self, report: ImportReport) -> None:
        """After a commit with this report."""
        self.report = combined(self.report, report)
        content = {"files": self.files, "report": asdict(self.report)}
        new = self.path.with_suffix(".new")
        new.write_bytes(orjson.dumps(content))
        new.replace(self.path)


def name_of(arguments: Sequence[str], chosen: Format) -> str:
    """The same for the same command."""
    mapping = None if chosen.mapping is None else chosen.mapping.model_dump(mode="json")
    text = orjson.dumps([list(arguments), chosen.name, mapping])
    return hashlib.sha256(text).hexdigest()[:20]


@contextmanager
def noted(folder: Path, name: str, on_wait: Callable[[], None]) -> Iterator[Note]:
    """The note of an import, removed when the import ends well. Others of the same name wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f"{name}.lock", on_wait):
        note = _read(folder / f"{name}.json")
        yield note
        note.path.unlink(missing_ok=True)


def _read(path: Path) -> Note:
    """Without one, or with one that a crash has damaged, all is read again, as duplicates."""
    try:
        found = orjson.loads(path.read_bytes())
        files = {name: Reached(**reached) for name, reached in found["files"].items()}
        return Note(path, files, ImportReport(**found["report"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Note(path)


@contextmanager
def _alone(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file at `path`, and leave none behind."""
    while True:
        with path.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_at(path, handle.fileno()):
                continue  # its last holder has removed it
            try:
                yield
            finally:
                path.unlink()
            return


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
