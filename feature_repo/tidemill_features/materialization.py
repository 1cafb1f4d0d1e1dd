"""Feature rows and histories straight into the packed online store.

The same rows that Feast's `materialize` would write, without a protobuf per value. A test
holds that both leave the same bytes behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from tidemill.errors import EventLogError, OnlineStoreError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.online import open_online_reader, open_online_writer
from tidemill_features.catalog import FEATURE_VIEW, Catalog, load_catalog
from tidemill_features.engine import to_matrix
from tidemill_features.history_rows import fill_histories
from tidemill_features.kept_interests import kept_definitions
from tidemill_features.rows import ensure_rows, read_rows, rows_file

_LOCK = "online"
_NOTE = "materialized"
_ON_THE_WAY = timedelta(seconds=3)


def materialize_rows(home: Home, catalog: Catalog, rows: pa.Table) -> int:
    """Write feature rows (see engine.compute_features) to the online store; returns how many."""
    with closing(open_online_writer(home)) as writer:
        writer.write(FEATURE_VIEW, catalog.names, packed_rows(rows, catalog))
    return int(rows.num_rows)


def packed_rows(rows: pa.Table, catalog: Catalog) -> Iterator[tuple[str, int, bytes]]:
    """Feature rows as the online store takes them: user, cutoff in microseconds, vector."""
    users = rows.column("user_id").to_pylist()
    cutoffs = rows.column("event_timestamp").cast(pa.int64()).to_pylist()
    vectors = to_matrix(rows, catalog.names).astype("<f4")
    return zip(users, cutoffs, (vector.tobytes() for vector in vectors), strict=True)


def settled(now: datetime) -> datetime:
    """The latest cutoff for which the log is complete, when everybody's clock shows `now`.

    What was received in the last seconds may still be on its way from the collector into the log;
    a row made without it would not equal its rebuild.
    """
    return now - _ON_THE_WAY


def materialize(
    home: Home, cutoff: datetime, on_wait: Callable[[], None] | None = None
) -> tuple[int, Catalog]:
    """Fill the online store with everybody's rows as of `cutoff`; how many, and of which catalog.

    One at a time: a second one calls `on_wait`, waits, and then reads the catalog as it is, so
    that an older catalog never takes the place of a grown one. Raises EventLogError when nobody
    is known at the cutoff, and OnlineStoreError.
    """
    with home.lock(_LOCK, on_wait):
        catalog = load_catalog(home)
        count = _fill(home, catalog, cutoff)
        fill_histories(home, cutoff)
        _forget_merged(home, cutoff)
        return count, catalog


def ensure_online(home: Home, cutoff: datetime) -> None:
    """Fill the online store as of `cutoff`, if it lacks any feature or history that models read.

    A new model may read signals that were found while it was trained, and choose by histories of
    its own. Catalogues are written in any case: conditions on items may have changed.
    """
    with home.lock(_LOCK):
        catalog = load_catalog(home)
        try:
            with closing(open_online_reader(home, FEATURE_VIEW, catalog.names)) as reader:
                reader.check()
        except OnlineStoreError:
            _fill(home, catalog, cutoff)
        fill_histories(home, cutoff, only_missing=True)
        _forget_merged(home, cutoff)


def _fill(home: Home, catalog: Catalog, cutoff: datetime) -> int:
    made = [computed for _, computed in ensure_rows(home, catalog, [cutoff])]
    if any(made):
        _keep_only(home, rows_file(home, catalog, cutoff))
    rows = read_rows(home, catalog, cutoff)
    if not rows.num_rows:
        raise EventLogError(
            f"the event log knows no user before {cutoff:%Y-%m-%d %H:%M} UTC",
            hint="import events with `tidemill events import PATH`",
        )
    return materialize_rows(home, catalog, rows)


def _forget_merged(home: Home, cutoff: datetime) -> None:
    """Remove the rows of users who have become another: no batch would ever replace them."""
    query = "SELECT user_id, epoch_us($at) FROM merged_users WHERE since < $at"
    with EventLog(home.events).connect() as con:
        merged = con.execute(query, {"at": cutoff}).fetchall()
    if merged:
        with closing(open_online_writer(home)) as writer:
            for view in (FEATURE_VIEW, *(each.view for each in kept_definitions(home))):
                writer.remove(view, merged)


def _keep_only(home: Home, newest: Path) -> None:
    """Remove the rows made for the online store the last time; nobody trains on those.

    With a materialisation every hour they would fill the disk.
    """
    note = home.features / _NOTE
    previous = home.features / note.read_text() if note.exists() else newest
    if previous != newest:
        previous.unlink(missing_ok=True)
    draft = note.with_suffix(".tmp")
    draft.write_text(str(newest.relative_to(home.features)))
    draft.replace(note)
