"""The views through which everybody reads who did what."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tidemill.events.delta import literal_glob
from tidemill.events.identity.cache import resolved
from tidemill.events.identity.claims import may_join_anybody
from tidemill.events.identity.owners import OWNERS
from tidemill.events.plan import load_plan

TRIVIAL_USER_EVENTS = (
    "SELECT *, NULL::TIMESTAMPTZ AS superseded_at FROM events WHERE user_id IS NOT NULL"
)
"""Every event belongs to the user it names, for good."""

_MERGED_USERS = """
CREATE VIEW merged_users AS SELECT id AS user_id, user_id AS current_user_id, since
FROM identity_owners
WHERE NOT anonymous AND until IS NULL AND received_until IS NULL AND id <> user_id
"""
_UNMARKED = "(SELECT * FROM events ANTI JOIN uncounted USING (event_id))"
_OWN = """
SELECT e.*, NULL::TIMESTAMPTZ AS superseded_at FROM {events} AS e
{without_merged}WHERE e.user_id IS NOT NULL
"""
_WITHOUT_MERGED = (
    "ANTI JOIN (SELECT id FROM identity_owners WHERE NOT anonymous) AS m ON m.id = e.user_id "
)
_JOINED = """
SELECT e.event_id, e.name, o.user_id, e.anonymous_id, e.item_id, e.timestamp,
    greatest(e.received_at, o.since) AS received_at, e.value, e.properties,
    o.until AS superseded_at
FROM {events} AS e JOIN identity_owners AS o ON {same_id}
WHERE coalesce(e.received_at >= o.received_from, TRUE)
    AND coalesce(e.received_at < o.received_until, TRUE)
    AND coalesce(greatest(e.received_at, o.since) < o.until, TRUE)
"""
_ANONYMOUS = "o.anonymous AND o.id = e.anonymous_id AND e.user_id IS NULL"
_MERGED = "NOT o.anonymous AND o.id = e.user_id"


def create_user_events(con: duckdb.DuckDBPyConnection, log_root: Path, version: int) -> None:
    """Create the view `user_events` over the views `events` and `marks` of a log at `version`.

    Columns of EVENTS in their order, then `superseded_at`; one row per event and user it belonged
    to. It counts for `user_id` from `received_at` until `superseded_at` (null: to this day).
    Also the view `merged_users(user_id, current_user_id, since)`, users who became another, and
    the table `identity_owners`, OWNERS schema.
    """
    _create_owners(con, log_root, version)
    _create_uncounted(con, log_root)
    create_views(con)


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """`user_events` and `merged_users` over `events`, `identity_owners` and `uncounted`."""
    con.execute(_MERGED_USERS)
    con.execute(f"CREATE VIEW user_events AS {_user_events(con)}")


def create_trivial_views(con: duckdb.DuckDBPyConnection) -> None:
    """The same over `events` alone, where nobody is known by two ids and nothing is marked."""
    con.register("identity_owners", OWNERS.empty_table())
    con.execute(_MERGED_USERS)
    con.execute(f"CREATE VIEW user_events AS {TRIVIAL_USER_EVENTS}")


def _create_owners(con: duckdb.DuckDBPyConnection, log_root: Path, version: int) -> None:
    """Copied into the connection: its files may be replaced while it is used."""
    if not con.execute(may_join_anybody("events")).fetchall()[0][0]:
        con.register("identity_owners", OWNERS.empty_table())
        return
    with resolved(log_root, version) as (_, owners):
        con.execute(
            "CREATE TEMP TABLE identity_owners AS SELECT * FROM read_parquet($path)",
            {"path": literal_glob(owners)},
        )


def _create_uncounted(con: duckdb.DuckDBPyConnection, log_root: Path) -> None:
    heeded = load_plan(log_root).marks_in_force
    reasons = " OR ".join(f"reason = '{reason}'" for reason in heeded) or "FALSE"
    con.execute(f"CREATE VIEW uncounted AS SELECT DISTINCT event_id FROM marks WHERE {reasons}")


def _user_events(con: duckdb.DuckDBPyConnection) -> str:
    """Only the parts that hold anything: most logs need but the first."""
    has_marks = _any(con, "uncounted")
    has_merged = _any(con, "identity_owners WHERE NOT anonymous")
    events = _UNMARKED if has_marks else "events"
    parts = [_OWN.format(events=events, without_merged=_WITHOUT_MERGED if has_merged else "")]
    if _any(con, "identity_owners WHERE anonymous"):
        parts.append(_JOINED.format(events=events, same_id=_ANONYMOUS))
    if has_merged:
        parts.append(_JOINED.format(events=events, same_id=_MERGED))
    return " UNION ALL ".join(parts)


def _any(con: duckdb.DuckDBPyConnection, rows: str) -> bool:
    return bool(con.execute(f"SELECT EXISTS (SELECT 1 FROM {rows})").fetchall()[0][0])
