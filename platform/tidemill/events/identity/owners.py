"""From links to intervals: whom an event of each id belongs to, from when until when."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from tidemill.events.identity.links import LINKED
from tidemill.events.schema import TIMESTAMP

OWNERS = pa.schema(
    [
        pa.field("anonymous", pa.bool_()),
        pa.field("id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("since", TIMESTAMP),
        pa.field("until", TIMESTAMP),
        pa.field("received_from", TIMESTAMP),
        pa.field("received_until", TIMESTAMP),
    ]
)
"""Events that came under `id` (an anonymous id, or a user's own) and were received in
[received_from, received_until) belong to `user_id` during [since, until), as was known then. Null
is an open end. Users that were never merged into another have no rows."""

ACTIVE = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("active_from", TIMESTAMP),
        pa.field("active_until", TIMESTAMP),
    ]
)
"""When the link of a forgotten id counts. Null is an open end; other ids have no rows."""

LONGEST_CHAIN = 8
"""Merges that an event follows. A program that merges each session into the next one would
otherwise multiply its events by all its sessions."""

# A link counts from when it was known, and never while it is forgotten.
_LINKS = f"""
CREATE TEMP TABLE links AS
SELECT anonymous, judged.id, user_id, greatest(first.received_at, active_from) AS since,
    active_until AS until, shared_at
FROM judged LEFT JOIN active ON active.id = judged.id
WHERE verdict = '{LINKED}' AND coalesce(greatest(first.received_at, active_from) <
    least(active_until, shared_at), TRUE)
"""
# Every user that an event can reach, link by link, and while all links on the way count. Who comes
# after the device is known to be shared does not pass; who passed before stays.
_REACHED = f"""
CREATE TEMP TABLE reached AS
WITH RECURSIVE reached AS (
    SELECT anonymous, id, 0 AS hops, user_id, since, until, shared_at AS received_until,
        NULL::TIMESTAMPTZ AS parent_since
    FROM links WHERE anonymous
    UNION ALL
    SELECT DISTINCT FALSE, id, 0, id, NULL::TIMESTAMPTZ, NULL::TIMESTAMPTZ, NULL::TIMESTAMPTZ,
        NULL::TIMESTAMPTZ
    FROM links WHERE NOT anonymous
    UNION ALL
    SELECT r.anonymous, r.id, r.hops + 1, l.user_id, greatest(r.since, l.since),
        least(r.until, l.until), least(r.received_until, l.shared_at), r.since
    FROM reached AS r JOIN links AS l ON NOT l.anonymous AND l.id = r.user_id
    WHERE hops < {LONGEST_CHAIN}
        AND coalesce(greatest(r.since, l.since) < least(r.until, l.until, l.shared_at), TRUE)
)
SELECT * FROM reached
"""
# An event that cannot pass the next link stays for as long as it is there at all; one that can is
# there before, between and after the times in which that link counts.
_OWNERS = """
CREATE TEMP TABLE owners AS
WITH onward AS (
    SELECT anonymous, id, hops - 1 AS hops, parent_since AS parent, since, until, received_until,
        lag(until) OVER chain AS left_at, lead(since) OVER chain IS NULL AS is_last
    FROM reached WHERE hops > 0
    WINDOW chain AS (PARTITION BY anonymous, id, hops, parent_since ORDER BY since)
),
paired AS (
    SELECT r.anonymous, r.id, r.user_id, r.since, r.until, r.received_until,
        o.id IS NOT NULL AS goes_on, o.since AS leaves_at, o.until AS returns_at, o.left_at,
        o.is_last, o.received_until AS passes_until
    FROM reached AS r LEFT JOIN onward AS o ON r.anonymous = o.anonymous AND r.id = o.id
        AND r.hops = o.hops AND r.since IS NOT DISTINCT FROM o.parent
),
parts AS (
    SELECT anonymous, id, user_id, since, until, passes_until AS received_from, received_until
    FROM paired WHERE NOT goes_on
        OR (is_last AND passes_until IS NOT NULL AND passes_until IS DISTINCT FROM received_until)
    UNION ALL
    SELECT anonymous, id, user_id, coalesce(left_at, since), leaves_at, NULL, passes_until
    FROM paired WHERE goes_on
    UNION ALL
    SELECT anonymous, id, user_id, returns_at, until, NULL, passes_until
    FROM paired WHERE is_last AND returns_at IS NOT NULL
)
SELECT * FROM parts WHERE coalesce(since < until, TRUE)
"""


def make_owners(con: duckdb.DuckDBPyConnection, active: pa.Table) -> None:
    """Make the temp table `owners`, OWNERS schema, of the table `judged` and `active` links.

    `active` has the ACTIVE schema.
    """
    con.register("active", active)
    for statement in (_LINKS, _REACHED, _OWNERS):
        con.execute(statement)
    con.unregister("active")
