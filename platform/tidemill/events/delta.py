"""One Delta table in a local folder: its files, its version, atomic writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from tidemill.errors import EventLogError

# The Delta library takes a path for a URL: it panics on some characters and decodes others.
_UNSAFE = re.compile(r"[\[\]^|\\]|%[0-9A-Fa-f]{2}")


_KEPT_HOURS = 24
"""How long files of earlier versions stay, for those who are still reading them."""
_SETTINGS: dict[str, str | None] = {
    "delta.logRetentionDuration": f"interval {_KEPT_HOURS} hours",
    "delta.deletedFileRetentionDuration": f"interval {_KEPT_HOURS} hours",
}

_ROW_GROUPS = WriterProperties(compression="SNAPPY", max_row_group_size=131_072)
"""Small enough that a look at a few minutes of a large file reads little."""


class Table:
    """A table that need not exist yet."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._synced = -1

    def version(self) -> int:
        """Delta version, -1 before the first commit."""
        table = self._open()
        return -1 if table is None else table.version()

    def create_view(
        self,
        con: duckdb.DuckDBPyConnection,
        name: str,
        between: tuple[datetime, datetime] | None = None,
    ) -> None:
        """Show the current snapshot as view `name`; without rows when there is nothing yet.

        With `between`, only files that may hold a `timestamp` in that range are read.
        """
        self._show(con, name, self._files(between))

    def show_added(self, con: duckdb.DuckDBPyConnection, name: str, version: int) -> bool:
        """Show the rows of the commits after `version` as view `name`; False if that is too old."""
        added: list[Path] = []
        for later in range(version + 1, self.version() + 1):
            commit = self._commit(later)
            if not commit.exists():
                return False
            added += self._added_by(commit, only_new_rows=True)
        if not all(path.exists() for path in added):
            return False
        self._show(con, name, added)
        return True

    def write(
        self, batches: Iterable[pa.RecordBatch], mode: Literal["append", "overwrite"]
    ) -> None:
        """One commit of all `batches`: after a crash either all of it is there or nothing.

        On return it is on the disk, and survives a power loss.
        """
        typed = (pa.RecordBatch.from_arrays(b.columns, schema=self.schema) for b in batches)
        reader = pa.RecordBatchReader.from_batches(self.schema, typed)
        write_deltalake(
            self.path,
            reader,
            mode=mode,
            configuration=_SETTINGS,
            writer_properties=_ROW_GROUPS,
        )
        self.sync()

    def sync(self) -> None:
        """Force the newest version to the disk, whoever wrote it.

        A process that was killed between its commit and this leaves a version that everybody can
        read, and a power loss can take.
        """
        version = self.version()
        if version > self._synced:
            commit = self._commit(version)
            _force([*self._added_by(commit), commit])
            _force([commit.parent, self.path, self.path.parent])
            self._synced = version

    def compact(self) -> None:
        """Merge small files, and remove what earlier versions left a day ago."""
        table = self._open()
        if table is None:
            return
        if table.metadata().configuration != _SETTINGS:
            table.alter.set_table_properties({k: v for k, v in _SETTINGS.items() if v})
        table.optimize.compact(writer_properties=_ROW_GROUPS)
        self.sync()
        table.vacuum(_KEPT_HOURS, dry_run=False, enforce_retention_duration=False)
        table.create_checkpoint()
        log = self.path / "_delta_log"
        _force([*(file for file in log.iterdir() if file.is_file()), log])
        table.cleanup_metadata()

    def _show(self, con: duckdb.DuckDBPyConnection, name: str, files: list[Path]) -> None:
        if files:
            con.read_parquet([literal_glob(file) for file in files]).create_view(name)
        else:
            con.register(name, self.schema.empty_table())

    def _files(self, between: tuple[datetime, datetime] | None) -> list[Path]:
        table = self._open()
        if table is None:
            return []
        files = pa.table(table.get_add_actions(flatten=True))
        if between is not None and files.num_rows:
            low, high = (pa.scalar(end, pa.timestamp("us", "UTC")) for end in between)
            apart = pc.or_(
                pc.less(files["max.timestamp"], low), pc.greater(files["min.timestamp"], high)
            )
            files = files.filter(pc.invert(pc.fill_null(apart, False)))
        return [self.path / unquote(name) for name in files["path"].to_pylist()]

    def _added_by(self, commit: Path, only_new_rows: bool = False) -> list[Path]:
        """Files that a commit added; those that compaction made hold no new rows."""
        actions = (orjson.loads(line) for line in commit.read_bytes().splitlines())
        added = (action["add"] for action in actions if "add" in action)
        return [
            self.path / unquote(add["path"])
            for add in added
            if add["dataChange"] or not only_new_rows
        ]

    def _commit(self, version: int) -> Path:
        return self.path / "_delta_log" / f"{version:020d}.json"

    def _open(self) -> DeltaTable | None:
        if not (self.path / "_delta_log").is_dir():
            return None
        try:
            return DeltaTable(self.path)
        except TableNotFoundError:
            return None


def _force(paths: Iterable[Path]) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def literal_glob(path: Path) -> str:
    """A pattern that DuckDB matches with exactly this file."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def require_safe_path(root: Path) -> None:
    """Raise EventLogError when Delta cannot keep tables below `root`."""
    found = _UNSAFE.search(str(root))
    if found:
        raise EventLogError(
            f"the event log cannot live at {root}: its path holds '{found.group()}'",
            hint="set TIDEMILL_HOME to a folder whose path is free of [ ] ^ | \\ and %xx",
        )


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn failures of the storage below `root` into EventLogError."""
    try:
        yield
    except (OSError, DeltaError, duckdb.Error, pa.ArrowException) as error:
        raise EventLogError(
            f"the event log at {root} cannot be read or written: {error}",
            hint="check that the folder is writable and the disk has room; "
            "the log still holds everything that was accepted before",
        ) from error
