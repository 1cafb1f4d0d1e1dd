"""The event log: three Delta tables in a folder, one writer at a time, any number of readers.

An append is staged in a scratch file, compared with the log by `event_id`, and committed as one
Delta version. A crash at any point leaves the log as it was before or after, never in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.events.delta import Table, explained, literal_glob, require_safe_path
from tidemill.events.schema import DEAD_LETTERS, EVENTS, ITEMS
from tidemill.events.staging import exclusive, scratch_folder

_MEMORY_LIMIT = "800MB"
_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Appended:
    """What became of the events of one append."""

    accepted: int
    duplicates: int
    """Events whose id was in the log already, or earlier in the same append."""


class EventLog:
    """Reads and writes the log at `root`; nothing is created before the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        require_safe_path(self.root)
        self._events = Table(self.root / "events", EVENTS)
        self._items = Table(self.root / "items", ITEMS)
        self._dead_letters = Table(self.root / "dead_letters", DEAD_LETTERS)

    def append(self, events: pa.Table | Iterable[pa.RecordBatch]) -> Appended:
        """Add the events whose id is new, all in one commit; the first of equal ids wins.

        `events` has the EVENTS schema. Memory stays flat for a lazy iterable.
        Raises EventLogError when the storage refuses; then nothing was added.
        """
        with self._staged(events, EVENTS) as (con, total), self._lock():
            self._events.create_view(con, "log")
            fresh = con.execute(
                "CREATE TEMP TABLE fresh AS SELECT min(file_row_number) AS position "
                "FROM staged ANTI JOIN log USING (event_id) GROUP BY event_id"
            ).fetchone()
            accepted = 0 if fresh is None else int(fresh[0])
            if accepted:
                chosen = con.sql(
                    "SELECT staged.* EXCLUDE (file_row_number) FROM staged "
                    "SEMI JOIN fresh ON file_row_number = position "
                    "ORDER BY timestamp, file_row_number"
                )
                self._events.write(chosen.to_arrow_reader(_BATCH_ROWS), "append")
        return Appended(accepted, total - accepted)

    def put_items(self, items: pa.Table) -> int:
        """Insert or replace by `item_id`; the last of equal ids wins. Returns how many changed."""
        with self._staged(items, ITEMS) as (con, _), self._lock():
            self._items.create_view(con, "log")
            con.execute(
                "CREATE TEMP TABLE latest AS SELECT item_id, "
                "arg_max(attributes, file_row_number) AS attributes FROM staged GROUP BY item_id"
            )
            changed = len(con.sql("SELECT * FROM latest EXCEPT SELECT * FROM log"))
            if changed:
                merged = con.sql(
                    "SELECT * FROM latest UNION ALL SELECT * FROM log "
                    "ANTI JOIN latest USING (item_id) ORDER BY item_id"
                )
                self._items.write(merged.to_arrow_reader(_BATCH_ROWS), "overwrite")
        return changed

    def bury(self, dead: pa.Table) -> None:
        """Keep refused rows. The same row of the same source is kept once."""
        with self._staged(dead, DEAD_LETTERS) as (con, _), self._lock():
            self._dead_letters.create_view(con, "log")
            fresh = con.sql(
                "SELECT * EXCLUDE (file_row_number) FROM staged ANTI JOIN log "
                "ON staged.source = log.source AND staged.line IS NOT DISTINCT FROM log.line "
                "AND staged.reason = log.reason AND staged.raw IS NOT DISTINCT FROM log.raw "
                "ORDER BY file_row_number"
            ).to_arrow_table()
            if fresh.num_rows:
                self._dead_letters.write(fresh.to_batches(), "append")

    def connect(self, threads: int | None = None) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection in UTC with the views `events`, `items` and `dead_letters`.

        The views show the log as it is now and stay readable while others append.
        """
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        if threads is not None:
            con.execute(f"SET threads = {threads}")
        with explained(self.root):
            for table in (self._events, self._items, self._dead_letters):
                table.create_view(con, table.path.name)
        return con

    def version(self) -> int:
        """Delta version of the events, -1 when there are none; grows with every append."""
        with explained(self.root):
            return self._events.version()

    def _lock(self) -> AbstractContextManager[None]:
        return exclusive(self.root / ".lock")

    @contextmanager
    def _staged(
        self, rows: pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        """A connection whose view `staged` holds `rows` with their `file_row_number`."""
        with explained(self.root), scratch_folder(self.root / "staging") as folder:
            path = folder / "rows.parquet"
            total = _write_parquet(rows, schema, path)
            con = duckdb.connect(
                config={"memory_limit": _MEMORY_LIMIT, "temp_directory": str(folder / "spill")}
            )
            con.execute("SET TimeZone = 'UTC'")
            con.read_parquet(literal_glob(path), file_row_number=True).create_view("staged")
            with con:
                yield con, total


def _write_parquet(rows: pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> int:
    batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
    total = 0
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch.select(schema.names).cast(schema))
            total += batch.num_rows
    return total
