"""Which files hold events, and how each is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tidemill.errors import EventLogError
from tidemill.events.csv_files import read_csv
from tidemill.events.json_lines import read_json_lines
from tidemill.events.parquet_files import read_parquet
from tidemill.events.unchecked import Batch

_READERS = {
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".jsonl": read_json_lines,
    ".jsonl.gz": read_json_lines,
    ".ndjson": read_json_lines,
    ".ndjson.gz": read_json_lines,
    ".parquet": read_parquet,
}
_SUPPORTED = "CSV (.csv), JSON lines (.jsonl, .ndjson), both also .gz, and Parquet (.parquet)"


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files at `paths`; of a folder, all supported ones below it, in alphabetical order.

    Raises EventLogError for a path that is missing, of another kind, or a folder without events.
    """
    found: dict[Path, None] = {}
    for path in paths:
        for file in _files_at(path):
            found[file.absolute()] = None
    return list(found)


def read_file(path: Path) -> Iterator[Batch]:
    """Batches of one file, in its order. Raises UnreadableFileError."""
    suffix = _suffix(path)
    if suffix is None:
        raise ValueError(f"find_files never returns {path}")
    return _READERS[suffix](path)


def _files_at(path: Path) -> list[Path]:
    if not path.exists():
        raise EventLogError(f"there is no file or folder {path}")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if _suffix(file) and file.is_file())
        if not files:
            raise EventLogError(f"no event files below {path}", hint=f"supported: {_SUPPORTED}")
        return files
    if _suffix(path) is None:
        raise EventLogError(
            f"{path} is not a kind of file that can be imported", hint=f"supported: {_SUPPORTED}"
        )
    return [path]


def _suffix(path: Path) -> str | None:
    name = path.name.lower()
    return next((suffix for suffix in _READERS if name.endswith(suffix)), None)
