"""What was known before an instant, as a short text: the same text, the same features."""

from __future__ import annotations

from datetime import datetime

import duckdb

_EVENTS = "SELECT count(*) FROM events WHERE received_at < $at"
_UNCOUNTED = f"{_EVENTS} AND event_id IN (FROM uncounted)"
# What came of later events is left out: a row known before may end later, or be split in two.
_OWNERS = """
SELECT count(*), sum(hash(anonymous, id, user_id, since, {earlier})::HUGEINT)
FROM identity_owners
WHERE since < $at AND coalesce(received_from < $at, TRUE)
"""
_EARLIER = ", ".join(
    f"CASE WHEN {column} < $at THEN {column} END"
    for column in ("until", "received_from", "received_until")
)


def known_before(con: duckdb.DuckDBPyConnection, at: datetime) -> str:
    """A text that changes when the events, marks or links known before `at` do.

    Nothing that is received later changes it; older history that is imported later does, and so
    do a decision about a link that counts from before, and a plan with other caps. `con` is a
    connection of the event log.
    """
    (events,), (uncounted,) = (
        con.execute(query, {"at": at}).fetchall()[0] for query in (_EVENTS, _UNCOUNTED)
    )
    links, checksum = con.execute(_OWNERS.format(earlier=_EARLIER), {"at": at}).fetchall()[0]
    parts = [str(events)]
    parts += [f"{uncounted} uncounted"] if uncounted else []
    parts += [f"{links} links {checksum}"] if links else []
    return ", ".join(parts)
