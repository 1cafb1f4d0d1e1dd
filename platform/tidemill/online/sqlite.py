"""The online store of one machine: a SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from tidemill.errors import OnlineStoreError
from tidemill.online.store import Columns, OnlineRows, other_layout

_P = ParamSpec("_P")
_T = TypeVar("_T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS views (
    view TEXT PRIMARY KEY,
    features TEXT NOT NULL,
    generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    view TEXT NOT NULL,
    entity TEXT NOT NULL,
    cutoff INTEGER NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (view, entity)
) WITHOUT ROWID;
"""
_KEYS_PER_QUERY = 500
_MAPPED_BYTES = 2**31


def _in_words(method: Callable[_P, _T]) -> Callable[_P, _T]:
    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            raise OnlineStoreError(
                f"the online store cannot be used: {error}", hint="try again"
            ) from error

    return call


class SqliteWriter:
    """Replaces feature rows. One writer at a time; readers never see half a batch."""

    @_in_words
    def __init__(self, address: str) -> None:
        path = Path(address)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_SCHEMA)

    @_in_words
    def write(
        self, view: str, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]
    ) -> int:
        """Upsert rows, all of them or none."""
        layout = json.dumps(list(features))
        with self._transaction():
            if self._stored_layout(view) not in (None, layout):
                self._connection.execute("DELETE FROM rows WHERE view = ?", (view,))
            written = self._upsert(view, rows)
            self._connection.execute(
                "INSERT INTO views VALUES (?, ?, 1) ON CONFLICT (view) DO UPDATE SET "
                "features = excluded.features, generation = generation + 1",
                (view, layout),
            )
        return written

    @_in_words
    def update(
        self, view: str, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]
    ) -> int:
        """Upsert rows of the live layout, all of them or none."""
        with self._transaction():
            if self._stored_layout(view) != json.dumps(list(features)):
                raise other_layout(view, features)
            return self._upsert(view, rows)

    @_in_words
    def remove(self, view: str, entities: Iterable[tuple[str, int]]) -> None:
        with self._transaction():
            self._connection.executemany(
                "DELETE FROM rows WHERE view = ? AND entity = ? AND cutoff <= ?",
                ((view, entity, cutoff) for entity, cutoff in entities),
            )

    @_in_words
    def layout(self, view: str) -> tuple[str, ...]:
        return tuple(json.loads(self._stored_layout(view) or "[]"))

    @_in_words
    def delete(self, view: str) -> None:
        with self._transaction():
            self._connection.execute("DELETE FROM rows WHERE view = ?", (view,))
            # The generation goes on counting, so that no reader takes a new layout for an old one.
            self._connection.execute(
                "UPDATE views SET features = '[]', generation = generation + 1 WHERE view = ?",
                (view,),
            )

    def _upsert(self, view: str, rows: Iterable[tuple[str, int, bytes]]) -> int:
        return self._connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?) ON CONFLICT (view, entity) DO UPDATE SET "
            "cutoff = excluded.cutoff, vector = excluded.vector "
            "WHERE excluded.cutoff >= rows.cutoff",
            ((view, entity, cutoff, vector) for entity, cutoff, vector in rows),
        ).rowcount

    def _stored_layout(self, view: str) -> str | None:
        found = self._connection.execute("SELECT features FROM views WHERE view = ?", (view,))
        row = found.fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:  # even an interrupt must not leave half a batch; raised again
            if self._connection.in_transaction:  # SQLite ends it itself when the disk is full
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()


class SqliteReader:
    """Reads rows in place, whole batches only."""

    @_in_words
    def __init__(self, address: str, view: str, features: Sequence[str]) -> None:
        path = Path(address)
        if not path.exists():
            raise OnlineStoreError(
                f"no online store at {path}", hint="fill it with `tidemill features materialize`"
            )
        self._view = view
        self._wanted = list(features)
        self._connection = sqlite3.connect(
            f"file:{path}?mode=ro",
            uri=True,
            timeout=5.0,
            check_same_thread=False,
            isolation_level=None,
        )
        # Rows are read in place: no copy into a cache of this connection, a third of the cost.
        self._connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        self._layout = ""
        self._generation = -1
        self.check()

    @_in_words
    def check(self) -> None:
        with self._snapshot():
            self._refresh_layout()

    @_in_words
    def generation(self) -> int:
        row = self._connection.execute(
            "SELECT generation FROM views WHERE view = ?", (self._view,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    @_in_words
    def updates(self) -> int:
        # SQLite counts what other connections commit.
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    @_in_words
    def read(self, entities: Sequence[str]) -> OnlineRows:
        stored = self._rows(entities)
        return self._columns.unpack([stored.get(entity) for entity in entities])

    @_in_words
    def read_packed(self, entities: Sequence[str]) -> list[tuple[int, bytes] | None]:
        stored = self._rows(entities)
        return [stored.get(entity) for entity in entities]

    def _rows(self, entities: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """(cutoff, packed row) of the entities found, all of the layout known here."""
        if len(entities) <= _KEYS_PER_QUERY:
            # A single statement sees a single state of the store: no transaction is needed.
            stored, generation = self._fetch(entities)
            if generation in (None, self._generation):
                return stored
        stored = {}
        with self._snapshot():
            self._refresh_layout()
            for start in range(0, len(entities), _KEYS_PER_QUERY):
                stored.update(self._fetch(entities[start : start + _KEYS_PER_QUERY])[0])
        return stored

    def _fetch(self, keys: Sequence[str]) -> tuple[dict[str, tuple[int, bytes]], int | None]:
        """(cutoff, vector) of the keys found, and the view's generation if any was."""
        if not keys:
            return {}, None
        query = (
            "SELECT entity, cutoff, vector, (SELECT generation FROM views WHERE view = ?1) "
            f"FROM rows WHERE view = ?1 AND entity IN (?{',?' * (len(keys) - 1)})"
        )
        rows = self._connection.execute(query, (self._view, *keys)).fetchall()
        found = {entity: (cutoff, vector) for entity, cutoff, vector, _ in rows}
        return found, rows[0][3] if rows else None

    @_in_words
    def sample(self, size: int) -> OnlineRows:
        with self._snapshot():
            self._refresh_layout()
            total = self._connection.execute(
                "SELECT COUNT(*) FROM rows WHERE view = ?", (self._view,)
            ).fetchone()[0]
            stride = max(1, -(-total // size))
            rows = self._connection.execute(
                "SELECT cutoff, vector FROM (SELECT cutoff, vector, "
                "ROW_NUMBER() OVER (ORDER BY entity) AS position FROM rows WHERE view = ?) "
                "WHERE position % ? = 0",
                (self._view, stride),
            ).fetchall()
        return self._columns.unpack(rows)

    @_in_words
    def entities(self) -> list[str]:
        query = "SELECT entity FROM rows WHERE view = ? ORDER BY entity"
        return [row[0] for row in self._connection.execute(query, (self._view,))]

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Layout and rows must come from the same state of the store."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def _refresh_layout(self) -> None:
        row = self._connection.execute(
            "SELECT features, generation FROM views WHERE view = ?", (self._view,)
        ).fetchone()
        layout, generation = ("[]", 0) if row is None else row
        if layout != self._layout:
            self._columns = Columns(self._view, json.loads(layout), self._wanted)
            self._layout = layout
        self._generation = generation
