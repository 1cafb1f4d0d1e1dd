"""One Delta table in a local folder: its files, its version, atomic writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from tidemill.errors import EventLogError

_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
}


class Table:
    """A table that need not exist yet."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema

    def version(self) -> int:
        """Delta version, -1 before the first commit."""
        table = self._open()
        return -1 if table is None else table.version()

    def select(self) -> str:
        """SQL that reads the current snapshot; no rows, but the right columns, when empty."""
        table = self._open()
        # The URIs are percent-encoded; the tables are not partitioned, so names are enough.
        files = [] if table is None else [self.path / u.split("/")[-1] for u in table.file_uris()]
        if files:
            return f"SELECT * FROM read_parquet([{', '.join(map(quote_path, files))}])"
        columns = (f"NULL::{_SQL_TYPES[field.type]} AS {field.name}" for field in self.schema)
        return f"SELECT {', '.join(columns)} WHERE false"

    def write(
        self, batches: Iterable[pa.RecordBatch], mode: Literal["append", "overwrite"]
    ) -> None:
        """One commit of all `batches`: after a crash either all of it is there or nothing."""
        typed = (pa.RecordBatch.from_arrays(b.columns, schema=self.schema) for b in batches)
        write_deltalake(
            self.path, pa.RecordBatchReader.from_batches(self.schema, typed), mode=mode
        )

    def _open(self) -> DeltaTable | None:
        if not (self.path / "_delta_log").is_dir():
            return None
        try:
            return DeltaTable(self.path)
        except TableNotFoundError:
            return None


def quote_path(path: str | Path) -> str:
    """A SQL literal that DuckDB reads as exactly this file: no globbing, no quotes."""
    escaped = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
    return "'" + escaped.replace("'", "''") + "'"


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
