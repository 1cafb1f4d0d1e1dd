"""The event log: Delta tables in a folder, one writer at a time, any number of readers.

An append is staged in a scratch file, compared with the log by `event_id`, and committed as one
Delta version. A crash at any point leaves the log as it was before or after, never in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.events.delta import Table, explained, literal_glob, require_safe_path
from tidemill.events.hygiene import find_marks
from tidemill.events.identity import create_user_events
from tidemill.events.plan import load_plan
from tidemill.events.schema import DEAD_LETTERS, EVENTS, ITEMS, MARKS, RECEIPTS
from tidemill.events.staging import exclusive, scratch_folder

DEDUPLICATION_WINDOW = timedelta(days=8)
"""How far apart in event time two deliveries of one event may be, and still be recognised as one.
A repeated delivery differs by the correction of the client's clock at most; the longest window that
an SDK's own API promises is a week."""

_MEMORY_LIMIT = "800MB"
_BATCH_ROWS = 100_000
_BY_TIME = "ORDER BY timestamp, file_row_number"
_MOST_ROWS = 2**40
"""In one staged file."""


@dataclass(frozen=True)
class Appended:
    """What became of the events of one append."""

    accepted: int
    duplicates: int
    """Events whose id was in the log already, or earlier in the same append."""
    marked: Mapping[str, int] = field(default_factory=dict)
    """Accepted events that are kept and not counted, by reason."""


class EventLog:
    """Reads and writes the log at `root`; nothing is created before the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        require_safe_path(self.root)
        self._events = Table(self.root / "events", EVENTS)
        self._items = Table(self.root / "items", ITEMS)
        self._dead_letters = Table(self.root / "dead_letters", DEAD_LETTERS)
        self._marks = Table(self.root / "marks", MARKS)
        self._receipts = Table(self.root / "receipts", RECEIPTS)

    def append(self, events: pa.Table | Iterable[pa.RecordBatch]) -> Appended:
        """Add the events whose id is new, all in one commit; the first of equal ids wins.

        `events` has the EVENTS schema. Memory stays flat for a lazy iterable.
        Raises EventLogError when the storage refuses; then nothing was added.
        """
        with self._staged(events, EVENTS) as (con, total):
            return self._append(con, total, _BY_TIME)

    def append_files(self, files: Sequence[Path]) -> Appended:
        """As `append`, of Parquet files that have the EVENTS schema, in their order.

        Each has some ten thousand rows. If they follow each other in time, as those of an export
        do, they are not sorted once more, which would take twice the memory.
        """
        if not files:
            return Appended(0, 0)
        with explained(self.root), self._connected() as (con, _):
            _show_staged(con, files)
            total = con.execute("SELECT count(*) FROM staged").fetchall()[0][0]
            return self._append(con, total, _BY_TIME if _is_scattered(con) else "")

    def note_receipt(self, receipt: Mapping[str, object]) -> None:
        """Keep what became of the events that came in together; RECEIPTS columns but `at`."""
        row = pa.Table.from_pylist([{"at": datetime.now(UTC), **receipt}], schema=RECEIPTS)
        with explained(self.root), self._lock():
            self._receipts.write(row.to_batches(), "append")

    def compact(self) -> None:
        """Merge the many small files that frequent appends leave; readers are not disturbed."""
        with explained(self.root), self._lock():
            for table in self._tables():
                table.compact()

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

    def replace_dead_letters(self, old: pa.Table, new: pa.Table) -> None:
        """Put `new` rows in the place of `old` ones, in one commit; both DEAD_LETTERS."""
        with self._staged(new, DEAD_LETTERS) as (con, _), self._lock():
            self._dead_letters.create_view(con, "log")
            con.register("old", old)
            left = con.sql(
                "(SELECT * FROM log EXCEPT SELECT * FROM old) "
                "UNION SELECT * EXCLUDE (file_row_number) FROM staged "
                "ORDER BY received_at, source, line"
            )
            self._dead_letters.write(left.to_arrow_reader(_BATCH_ROWS), "overwrite")

    def connect(self, threads: int | None = None) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection in UTC with one view for each table, and `user_events`.

        `events` holds what came in; `user_events` who it belongs to (see tidemill.events.identity),
        without the marked ones. The views show the log as it is now and stay readable while others
        append.
        """
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        if threads is not None:
            con.execute(f"SET threads = {threads}")
        with explained(self.root):
            version = self._events.version()
            for table in self._tables():
                table.create_view(con, table.path.name)
            create_user_events(con, self.root, version)
        return con

    def added_since(self, version: int) -> pa.Table | None:
        """Ids of the events that were appended after `version` of the log.

        Columns `user_id` and `anonymous_id`, distinct pairs. None when `version` is too old.
        """
        with explained(self.root), duckdb.connect() as con:
            if not self._events.show_added(con, "added", version):
                return None
            return con.execute("SELECT DISTINCT user_id, anonymous_id FROM added").to_arrow_table()

    def version(self) -> int:
        """Delta version of the events, -1 when there are none; grows with every append."""
        with explained(self.root):
            return self._events.version()

    def _append(self, con: duckdb.DuckDBPyConnection, total: int, order: str) -> Appended:
        """Add the `total` rows of `staged`, in that `order`."""
        with self._lock():
            self._events.sync()
            self._events.create_view(con, "log", _surroundings(con))
            accepted = _choose_fresh(con, total)
            marked = self._mark(con) if accepted else {}
            if accepted:
                chosen = con.sql(f"SELECT * EXCLUDE (file_row_number) FROM accepted {order}")
                self._events.write(chosen.to_arrow_reader(_BATCH_ROWS), "append")
        return Appended(accepted, total - accepted, marked)

    def _mark(self, con: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """Marks are written first: a crash leaves marks of events that are still to come."""
        con.register("found", find_marks(con, load_plan(self.root)))
        self._marks.create_view(con, "known_marks")
        stamped = con.execute(
            "SELECT event_id, reason, $now AS marked_at FROM found "
            "ANTI JOIN known_marks USING (event_id, reason)",
            {"now": datetime.now(UTC)},
        ).to_arrow_table()
        if stamped.num_rows:
            self._marks.write(stamped.cast(MARKS).to_batches(), "append")
        return dict(con.execute("SELECT reason, count(*) FROM found GROUP BY 1").fetchall())

    def _tables(self) -> tuple[Table, ...]:
        return self._events, self._items, self._dead_letters, self._marks, self._receipts

    def _lock(self) -> AbstractContextManager[None]:
        return exclusive(self.root / ".lock")

    @contextmanager
    def _staged(
        self, rows: pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        """A connection whose view `staged` holds `rows` with their `file_row_number`."""
        with explained(self.root), self._connected() as (con, folder):
            path = folder / "rows.parquet"
            total = _write_parquet(rows, schema, path)
            _show_staged(con, [path])
            yield con, total

    @contextmanager
    def _connected(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
        """A connection that spills into a scratch folder, and the folder."""
        with scratch_folder(self.root / "staging") as folder:
            spill = str(folder / "spill")
            with duckdb.connect(
                config={"memory_limit": _MEMORY_LIMIT, "temp_directory": spill}
            ) as con:
                con.execute("SET TimeZone = 'UTC'")
                yield con, folder


def _show_staged(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Show files as the view `staged`, whose `file_row_number` grows through all of them."""
    names = ", ".join("'" + literal_glob(file).replace("'", "''") + "'" for file in files)
    con.execute(
        "CREATE TEMP VIEW staged AS SELECT * EXCLUDE (file_row_number), "
        f"file_index::BIGINT * {_MOST_ROWS} + file_row_number AS file_row_number "
        f"FROM read_parquet([{names}], file_row_number = true)"
    )


def _is_scattered(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether each file of `staged` reaches over much of the time of all of them."""
    reach = (
        f"SELECT min(timestamp) AS first, max(timestamp) AS last FROM staged "
        f"GROUP BY file_row_number // {_MOST_ROWS}"
    )
    spread = "sum(epoch(last) - epoch(first)) > 4 * (max(epoch(last)) - min(epoch(first)))"
    return bool(con.execute(f"SELECT {spread} FROM ({reach})").fetchall()[0][0])


def _surroundings(con: duckdb.DuckDBPyConnection) -> tuple[datetime, datetime] | None:
    """The range of event time in which `staged` may have duplicates."""
    first, last = con.execute("SELECT min(timestamp), max(timestamp) FROM staged").fetchall()[0]
    if first is None:
        return None
    return first - DEDUPLICATION_WINDOW, last + DEDUPLICATION_WINDOW


def _choose_fresh(con: duckdb.DuckDBPyConnection, total: int) -> int:
    """Show the rows of `staged` whose id is new to `log`; returns how many of the `total` they are.

    As `accepted`, and as `fresh` without their `file_row_number`.
    """
    con.execute(
        "CREATE TEMP TABLE chosen AS SELECT min(file_row_number) AS position "
        "FROM staged ANTI JOIN log USING (event_id) GROUP BY event_id"
    )
    found = int(con.execute("SELECT count(*) FROM chosen").fetchall()[0][0])
    only = "" if found == total else "SEMI JOIN chosen ON file_row_number = position"
    con.execute(f"CREATE TEMP VIEW accepted AS SELECT * FROM staged {only}")
    con.execute("CREATE TEMP VIEW fresh AS SELECT * EXCLUDE (file_row_number) FROM accepted")
    return found


def _write_parquet(rows: pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> int:
    batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
    total = 0
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch.select(schema.names).cast(schema))
            total += batch.num_rows
    return total
