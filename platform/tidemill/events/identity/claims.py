"""What the events say about who is who: of each pair of ids, the first claim that was heard."""

from __future__ import annotations

from tidemill.events.ids import NOBODY_IDS
from tidemill.events.mapped import ALIAS, PREVIOUS_ID

FIRST = "{'received_at': received_at, 'timestamp': timestamp, 'event_id': event_id}"
"""Claims are ordered by when they became known; ties by when they happened, then by event id."""
_PREVIOUS = f"nullif(trim(json_extract_string(properties, '$.{PREVIOUS_ID}')), '')"
_JUNK_IDS = ", ".join(f"'{text}'" for text in sorted(NOBODY_IDS))


def claims_of(events: str) -> str:
    """SQL: the claims in a relation with the EVENTS columns.

    Columns `id, user_id, alias, first`. A login (an event with both ids) speaks of an anonymous
    id. An alias speaks of an id that may be an anonymous one or a user's: SDKs with a single id
    cannot tell. `first` is the earliest event that says so.
    """
    return f"""
SELECT id, user_id, alias, min({FIRST}) AS first FROM (
    SELECT anonymous_id AS id, user_id, FALSE AS alias, received_at, timestamp, event_id
    FROM {events} WHERE anonymous_id IS NOT NULL
    UNION ALL
    SELECT {_PREVIOUS}, user_id, TRUE, received_at, timestamp, event_id
    FROM {events} WHERE name = '{ALIAS}'
) WHERE user_id IS NOT NULL AND id IS NOT NULL AND NOT (alias AND id = user_id)
GROUP BY id, user_id, alias
"""


def merged(*claims: str) -> str:
    """SQL: the claims of several relations of claims; of equal ones the first."""
    every = " UNION ALL ".join(f"SELECT * FROM {relation}" for relation in claims)
    return f"SELECT id, user_id, alias, min(first) AS first FROM ({every}) GROUP BY ALL"


def may_join_anybody(events: str) -> str:
    """SQL: whether any event could belong to another than the user it names."""
    return (
        f"SELECT EXISTS (FROM {events} WHERE user_id IS NULL) "
        f"OR EXISTS (FROM {events} WHERE name = '{ALIAS}')"
    )


def is_junk(column: str) -> str:
    """SQL for `tidemill.events.ids.is_junk_id`."""
    text = f"lower(trim({column}))"
    return f"({text} IN ({_JUNK_IDS}) OR trim({text}, '0-') = '')"
