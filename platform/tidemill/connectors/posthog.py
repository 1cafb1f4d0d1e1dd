"""PostHog's live events.

Events keep PostHog's names (`$pageview`), except those that say who is who. The project's token is
left out of the properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.connectors.fields import (
    NO_PREVIOUS_ID,
    assemble,
    correct_clock,
    number,
    object_in,
    require_object,
    shift,
    traits_of,
)
from tidemill.events.mapped import (
    ALIAS,
    GROUP,
    IDENTIFY,
    PREVIOUS_ID,
    MappedEvent,
    RefusedError,
    parse_time_us,
    text_id,
)

_NAMES = {
    "$identify": IDENTIFY,
    "$set": IDENTIFY,
    "$set_once": IDENTIFY,
    "$create_alias": ALIAS,
    "$merge_dangerously": ALIAS,
    "$groupidentify": GROUP,
}
_SETTING = ("$set", "$set_once")


def map_posthog(event: Mapping[str, Any], sent_at: int | None, received_at: int) -> MappedEvent:
    """One event; `sent_at` is its request's, by the client's clock. Raises RefusedError.

    An event without a time happened `offset` milliseconds before it was received.
    """
    require_object(event)
    own = dict(object_in(event, "properties"))
    own.pop("token", None)
    for field in _SETTING:
        if field in event:
            own.setdefault(field, event[field])
    distinct_id = event.get("distinct_id")
    if distinct_id is None:
        distinct_id = own.get("distinct_id")
    event_id, timestamp = text_id(event.get("uuid")), _time(event, sent_at, received_at)
    name = event.get("event")
    if isinstance(name, str) and name in _NAMES:
        name, who, properties = _identity(name, distinct_id, own)
        return assemble(event_id, name, *who, timestamp, received_at, properties)
    who = _who(distinct_id, own)
    return assemble(event_id, name, *who, timestamp, received_at, own, own)


def _time(event: Mapping[str, Any], sent_at: int | None, received_at: int) -> int | None:
    happened = event.get("timestamp")
    if happened is not None:
        return correct_clock(parse_time_us(happened), sent_at, received_at)
    offset = number(event.get("offset"))
    return received_at if offset is None else shift(received_at, -offset * 1_000)


def _who(distinct_id: Any, own: Mapping[str, Any]) -> tuple[Any, Any]:
    """User and anonymous id."""
    anonymous = (
        own.get("$process_person_profile") is False
        or own.get("$is_identified") is False
        or own.get("$device_id") == distinct_id
    )
    return (None, distinct_id) if anonymous else (distinct_id, None)


def _identity(
    name: str, distinct_id: Any, own: dict[str, Any]
) -> tuple[str, tuple[Any, Any], dict[str, Any]]:
    """Name, (user id, anonymous id) and properties of an event that says who is who."""
    if _NAMES[name] == ALIAS:
        previous, user_id = distinct_id, own.get("alias")
        if name == "$merge_dangerously":  # the other way round: the alias ends in the distinct id
            previous, user_id = user_id, previous
        return ALIAS, (user_id, None), {**own, PREVIOUS_ID: _required(previous)}
    if _NAMES[name] == GROUP:
        # Its id is a random one when the group is described without a user.
        return GROUP, (None, distinct_id), own
    changes = {field: own.pop(field) for field in _SETTING if field in own}
    traits = traits_of(changes)
    return IDENTIFY, (distinct_id, own.get("$anon_distinct_id")), {"context": own, **traits}


def _required(previous: Any) -> str:
    previous_id = text_id(previous)
    if previous_id is None:
        raise RefusedError(NO_PREVIOUS_ID)
    return previous_id
