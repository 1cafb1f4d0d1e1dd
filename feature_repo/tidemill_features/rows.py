"""Feature rows on disk: one Parquet file per cutoff, computed once.

What was known before a cutoff never changes, unless older history is imported later; so a file
carries a mark of what was known when it was made, and is made again when that mark differs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.events import EventLog
from tidemill.events.identity import known_before
from tidemill.home import Home
from tidemill_features.catalog import Catalog
from tidemill_features.engine import compute_features

_KNOWN = b"tidemill.known_events"
# Bounds memory: one pass holds the daily sums of all users for this many cutoffs.
_CUTOFFS_PER_PASS = 4


def rows_folder(home: Home, catalog: Catalog) -> Path:
    """Where rows of this catalog live; another catalog means other columns, so another folder."""
    return home.features / f"rows-{catalog.hash}"


def ensure_rows(
    home: Home, catalog: Catalog, cutoffs: Sequence[datetime]
) -> Iterator[tuple[datetime, bool]]:
    """Make sure rows exist for every cutoff; yields each cutoff and whether it was computed now."""
    folder = rows_folder(home, catalog)
    folder.mkdir(parents=True, exist_ok=True)
    with home.lock("features"):
        con = EventLog(home.events).connect()
        known = {cutoff: known_before(con, cutoff) for cutoff in sorted(set(cutoffs))}
        stale = [c for c, mark in known.items() if _made_from(_path(folder, c)) != mark]
        for cutoff in known.keys() - set(stale):
            yield cutoff, False
        for start in range(0, len(stale), _CUTOFFS_PER_PASS):
            batch = stale[start : start + _CUTOFFS_PER_PASS]
            rows = compute_features(con, catalog, batch)
            for cutoff in batch:
                at = pa.scalar(cutoff, pa.timestamp("us", tz="UTC"))
                chosen = rows.filter(pa.compute.equal(rows.column("event_timestamp"), at))
                _write(_path(folder, cutoff), chosen, known[cutoff])
                yield cutoff, True
        con.close()


def read_rows(home: Home, catalog: Catalog, cutoff: datetime) -> pa.Table:
    """Rows of one cutoff, which `ensure_rows` has made."""
    return pq.read_table(rows_file(home, catalog, cutoff))


def rows_file(home: Home, catalog: Catalog, cutoff: datetime) -> Path:
    """Where the rows of one cutoff are, once they are made."""
    return _path(rows_folder(home, catalog), cutoff)


def _path(folder: Path, cutoff: datetime) -> Path:
    return folder / f"{cutoff:%Y%m%dT%H%M%S.%f}.parquet"


def _made_from(path: Path) -> str | None:
    if not path.exists():
        return None
    metadata = pq.read_schema(path).metadata or {}
    return str(metadata.get(_KNOWN, b"").decode())


def _write(path: Path, rows: pa.Table, known: str) -> None:
    metadata = {_KNOWN: known.encode()}
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    pq.write_table(rows.replace_schema_metadata(metadata), draft)
    draft.replace(path)
