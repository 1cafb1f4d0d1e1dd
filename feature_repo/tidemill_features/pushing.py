"""Features and histories of a few users, as of now, into the online store's live layouts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from tidemill.home import Home
from tidemill.online import open_online_writer
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.catalog import FEATURE_VIEW, Catalog
from tidemill_features.engine import compute_features
from tidemill_features.history_rows import update_histories
from tidemill_features.instants import in_microseconds
from tidemill_features.materialization import packed_rows, settled
from tidemill_features.slices import slice_of_users

_MICROSECOND = timedelta(microseconds=1)
_LONGEST_STEP_BACK = timedelta(hours=1)
# Whoever an event under one of the ids belongs to, or ever belonged to; and who became one of them.
_OWNERS = """
SELECT user_id FROM identity_owners WHERE id IN (FROM touched)
UNION SELECT id FROM identity_owners WHERE user_id IN (FROM touched) AND NOT anonymous
"""
_REJOINED = """
FROM identity_owners
WHERE greatest(since, until, received_from, received_until) >= $since
"""
_CHANGES = """
SELECT user_id, GREATEST(timestamp, received_at) AS instant FROM user_events
UNION ALL
SELECT user_id, superseded_at FROM user_events WHERE superseded_at IS NOT NULL
"""


@dataclass(frozen=True)
class Pushed:
    """What became of the users of one push."""

    computed: int
    """Users who have features."""
    written: int
    """Rows that the store took; it keeps those that are newer."""
    cutoff: datetime
    oldest: datetime | None
    """When the oldest event came in that counts now and did not at the cutoff before."""
    upcoming: dict[str, datetime]
    """Users whose features will change by an event that is here already, and when."""

    is_complete: bool
    """Whether the store took every row."""


def live_layout(home: Home) -> tuple[str, ...]:
    """Features that the online store holds now. Raises OnlineStoreError."""
    with closing(open_online_writer(home)) as writer:
        return writer.layout(FEATURE_VIEW)


def catalog_of(layout: Sequence[str], catalog: Catalog) -> Catalog | None:
    """What `catalog` was when `layout` was written: it only grows at its end."""
    width = 0
    for count, signal in enumerate(catalog.signals, start=1):
        width += len(signal.aggregates)
        if width == len(layout):
            earlier = Catalog(catalog.signals[:count])
            return earlier if earlier.names == tuple(layout) else None
    return None


def users_of(con: duckdb.DuckDBPyConnection, added: pa.Table, since: datetime) -> set[str]:
    """Whose features have changed by the events that were added, and by joins known `since`.

    `added` has the columns `user_id` and `anonymous_id`.
    """
    users = added.column("user_id").combine_chunks().drop_null()
    devices = added.column("anonymous_id").combine_chunks().drop_null()
    con.register("touched", pa.table({"id": pa.concat_arrays([users, devices])}))
    owners = con.execute(_OWNERS).fetchall()
    con.unregister("touched")
    rejoined = con.execute(
        f"SELECT user_id {_REJOINED} UNION SELECT id {_REJOINED} AND NOT anonymous",
        {"since": since},
    ).fetchall()
    return {*users.to_pylist(), *(user for (user,) in owners + rejoined)}


def knows_anybody(con: duckdb.DuckDBPyConnection, cutoff: datetime) -> bool:
    """Whether any user has features at `cutoff`."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM user_events "
        "WHERE timestamp < $at AND received_at < $at LIMIT 1)"
    )
    return bool(con.execute(query, {"at": cutoff}).fetchall()[0][0])


def upcoming_changes(con: duckdb.DuckDBPyConnection, cutoff: datetime) -> dict[str, datetime]:
    """Users whose features change after `cutoff` by what is in `con`'s log, and when first."""
    query = f"SELECT user_id, MIN(instant) FROM ({_CHANGES}) WHERE instant >= $at GROUP BY user_id"
    found = con.execute(query, {"at": cutoff}).fetchall()
    return {user: instant.astimezone(UTC) for user, instant in found}


def push_users(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    users: Sequence[str],
    last: datetime,
    now: datetime,
    definitions: Sequence[InterestDefinition] = (),
) -> Pushed:
    """Bring the rows of `users` up to date with the log that `con` shows.

    Their features, and their histories by `definitions`, which the store holds. `last` is the
    cutoff of the push before. Raises OnlineStoreError when the store is out of reach or its live
    layout is not the catalog's.
    """
    with slice_of_users(con, users) as own:
        cutoff = _cutoff(_newest(own, now), last, now)
        rows = compute_features(own, catalog, [cutoff])
        gone = _unknown(users, rows, cutoff)
        written = _write(home, catalog, rows, gone)
        took_histories = update_histories(home, own, definitions, cutoff, gone)
        return Pushed(
            rows.num_rows,
            written,
            cutoff,
            _oldest(own, last, cutoff),
            upcoming_changes(own, cutoff),
            took_histories and written == rows.num_rows,
        )


def _write(home: Home, catalog: Catalog, rows: pa.Table, unknown: Sequence[tuple[str, int]]) -> int:
    with closing(open_online_writer(home)) as writer:
        if unknown:
            writer.remove(FEATURE_VIEW, unknown)
        return writer.update(FEATURE_VIEW, catalog.names, packed_rows(rows, catalog))


def _unknown(users: Sequence[str], rows: pa.Table, cutoff: datetime) -> list[tuple[str, int]]:
    """Users without any event at the cutoff: those who have become another, or never were."""
    gone = set(users).difference(rows.column("user_id").to_pylist())
    at = in_microseconds(cutoff)
    return [(user, at) for user in sorted(gone)]


def _cutoff(newest: datetime | None, last: datetime, now: datetime) -> datetime:
    """As late as can be while nothing received earlier may still be on its way into the log.

    Events come into the log in the order of their receipt, so that is right after the newest one.
    Cutoffs never go back, so that a clock which does holds nobody up.
    """
    candidates = [settled(now)]
    if newest is not None:
        candidates.append(newest + _MICROSECOND)
    if last - now <= _LONGEST_STEP_BACK:
        candidates.append(last)
    return max(candidates)


def _newest(con: duckdb.DuckDBPyConnection, now: datetime) -> datetime | None:
    """When the newest event came in, leaving out what claims to come from the future."""
    return _instant(
        con, "SELECT MAX(received_at) FROM user_events WHERE received_at < $now", now=now
    )


def _oldest(con: duckdb.DuckDBPyConnection, last: datetime, cutoff: datetime) -> datetime | None:
    query = (
        "SELECT MIN(received_at) FROM user_events "
        "WHERE received_at >= $last AND received_at < $cutoff AND timestamp < $cutoff"
    )
    return _instant(con, query, last=last, cutoff=cutoff)


def _instant(con: duckdb.DuckDBPyConnection, query: str, **values: datetime) -> datetime | None:
    found: datetime | None = con.execute(query, values).fetchall()[0][0]
    return None if found is None else found.astimezone(UTC)
