"""The packed online store: one row per user holding the whole feature vector.

Feast's own read path decodes one protobuf per value; a packed row is one key look-up and one
`np.frombuffer`. Feast writes it (tidemill_features.online_store), the server reads it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import OnlineStoreError

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


@dataclass(frozen=True)
class OnlineRows:
    """Feature rows in the order of the ids asked for."""

    vectors: NDArray[np.float32]
    """[n, features]; NaN where a value does not exist, and all NaN for an unknown user."""
    cutoffs: NDArray[np.int64]
    """[n], microseconds since 1970 UTC; 0 for an unknown user."""
    found: NDArray[np.bool_]
    """[n]."""


class OnlineWriter:
    """Replaces feature rows. One writer at a time; readers never see half a batch."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_SCHEMA)

    def write(
        self, view: str, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]
    ) -> int:
        """Upsert `(entity, cutoff in us, float32 little-endian vector)` rows; returns how many.

        A row older than the stored one is ignored. Changing `features` drops the view's rows,
        because their vectors no longer mean the same.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            layout = json.dumps(list(features))
            stored = self._connection.execute(
                "SELECT features FROM views WHERE view = ?", (view,)
            ).fetchone()
            if stored is not None and stored[0] != layout:
                self._connection.execute("DELETE FROM rows WHERE view = ?", (view,))
            cursor = self._connection.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?) ON CONFLICT (view, entity) DO UPDATE SET "
                "cutoff = excluded.cutoff, vector = excluded.vector "
                "WHERE excluded.cutoff >= rows.cutoff",
                ((view, entity, cutoff, vector) for entity, cutoff, vector in rows),
            )
            self._connection.execute(
                "INSERT INTO views VALUES (?, ?, 1) ON CONFLICT (view) DO UPDATE SET "
                "features = excluded.features, generation = generation + 1",
                (view, layout),
            )
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        return cursor.rowcount

    def delete(self, view: str) -> None:
        """Forget a view and its rows."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("DELETE FROM rows WHERE view = ?", (view,))
        # The generation goes on counting, so that no reader takes a new layout for an old one.
        self._connection.execute(
            "UPDATE views SET features = '[]', generation = generation + 1 WHERE view = ?", (view,)
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class OnlineReader:
    """Reads the features one bundle needs, in the bundle's order."""

    def __init__(self, path: Path, view: str, features: Sequence[str]) -> None:
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
        self._width = 0
        self._blank = b""
        self._columns: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        with self._snapshot():
            self._refresh_layout()

    def generation(self) -> int:
        """Grows with every batch written to the view; 0 before the first."""
        row = self._connection.execute(
            "SELECT generation FROM views WHERE view = ?", (self._view,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def read(self, entities: Sequence[str]) -> OnlineRows:
        """Rows of `entities` in their order; unknown ones are flagged, never an error."""
        if len(entities) <= _KEYS_PER_QUERY:
            # A single statement sees a single state of the store: no transaction is needed.
            stored, generation = self._fetch(entities)
            if generation in (None, self._generation):
                return self._unpack([stored.get(entity) for entity in entities])
        stored = {}
        with self._snapshot():
            self._refresh_layout()
            for start in range(0, len(entities), _KEYS_PER_QUERY):
                stored.update(self._fetch(entities[start : start + _KEYS_PER_QUERY])[0])
        return self._unpack([stored.get(entity) for entity in entities])

    def _fetch(self, keys: Sequence[str]) -> tuple[dict[str, tuple[int, bytes]], int | None]:
        """(cutoff, vector) of the keys found, and the view's generation if any was."""
        query = (
            "SELECT entity, cutoff, vector, (SELECT generation FROM views WHERE view = ?1) "
            f"FROM rows WHERE view = ?1 AND entity IN (?{',?' * (len(keys) - 1)})"
        )
        rows = self._connection.execute(query, (self._view, *keys)).fetchall()
        found = {entity: (cutoff, vector) for entity, cutoff, vector, _ in rows}
        return found, rows[0][3] if rows else None

    def sample(self, size: int) -> OnlineRows:
        """Up to `size` rows spread evenly over the view, for population statistics."""
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
        return self._unpack(rows)

    def entities(self) -> list[str]:
        """Every entity of the view, sorted."""
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
        layout, self._generation = ("[]", 0) if row is None else row
        if layout == self._layout:
            return
        position = {name: index for index, name in enumerate(json.loads(layout))}
        missing = [name for name in self._wanted if name not in position]
        if missing:
            raise OnlineStoreError(
                f"online view '{self._view}' lacks {len(missing)} of the {len(self._wanted)} "
                f"features the model reads, first '{missing[0]}'",
                hint="fill it with `tidemill features materialize`",
            )
        self._layout = layout
        self._width = len(position)
        self._blank = np.full(self._width, np.nan, dtype="<f4").tobytes()
        self._columns = np.asarray([position[name] for name in self._wanted], dtype=np.intp)

    def _unpack(self, stored: Sequence[tuple[int, bytes] | None]) -> OnlineRows:
        found = np.asarray([row is not None for row in stored], dtype=np.bool_)
        packed = b"".join([self._blank if row is None else row[1] for row in stored])
        matrix = np.frombuffer(packed, dtype="<f4").reshape(len(stored), self._width)
        cutoffs = np.asarray([0 if row is None else row[0] for row in stored], dtype=np.int64)
        return OnlineRows(matrix.take(self._columns, axis=1), cutoffs, found)
