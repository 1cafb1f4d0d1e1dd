"""One Delta table in a local folder: its files, its version, atomic writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from tidemill.errors import EventLogError

# The Delta library takes a path for a URL: it panics on some characters and decodes others.
_UNSAFE = re.compile(r"[\[\]^|\\]|%[0-9A-Fa-f]{2}")


class Table:
    """A table that need not exist yet."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema

    def version(self) -> int:
        """Delta version, -1 before the first commit."""
        table = self._open()
        return -1 if table is None else table.version()

    def create_view(self, con: duckdb.DuckDBPyConnection, name: str) -> None:
        """Show the current snapshot as view `name`; without rows when there is nothing yet."""
        table = self._open()
        # The URIs are percent-encoded; the tables are not partitioned, so names are enough.
        names = [] if table is None else [uri.split("/")[-1] for uri in table.file_uris()]
        if names:
            con.read_parquet([literal_glob(self.path / n) for n in names]).create_view(name)
        else:
            con.register(name, self.schema.empty_table())

    def write(
        self, batches: Iterable[pa.RecordBatch], mode: Literal["append", "overwrite"]
    ) -> None:
        """One commit of all `batches`: after a crash either all of it is there or nothing."""
        typed = (pa.RecordBatch.from_arrays(b.columns, schema=self.schema) for b in batches)
        write_deltalake(self.path, pa.RecordBatchReader.from_batches(self.schema, typed), mode=mode)

    def _open(self) -> DeltaTable | None:
        if not (self.path / "_delta_log").is_dir():
            return None
        try:
            return DeltaTable(self.path)
        except TableNotFoundError:
            return None


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
