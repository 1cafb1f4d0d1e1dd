"""Mixpanel's events and profile updates: live, and the lines of a raw export.

Mixpanel deduplicates by (event, time, distinct_id, $insert_id), and so does `event_id`, to the
second, because exports have no finer time. The project's token is left out of the properties.

Exports of projects made before 2023 give times in the project's time zone instead of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.connectors.fields import (
    NO_PREVIOUS_ID,
    NO_TIMESTAMP,
    assemble,
    digest,
    object_in,
    require_object,
    traits_of,
)
from tidemill.events.mapped import (
    ALIAS,
    IDENTIFY,
    PREVIOUS_ID,
    MappedEvent,
    RefusedError,
    parse_time_us,
    text_id,
)

_DEVICE = "$device:"
_TRANSPORT = frozenset(
    ("$token", "$distinct_id", "$device_id", "$user_id", "$time", "$ip", "$ignore_time")
)


def map_mixpanel(event: Mapping[str, Any], received_at: int) -> MappedEvent:
    """One event of /track or /import, dated by the client's clock. Raises RefusedError."""
    require_object(event)
    properties = object_in(event, "properties")
    distinct_id, time = properties.get("distinct_id"), properties.get("time")
    timestamp = _time(time, received_at)
    event_id = _event_id(event, properties, distinct_id, None if time is None else timestamp)
    return _map(event_id, event, properties, distinct_id, timestamp, received_at)


def map_mixpanel_export(event: Mapping[str, Any]) -> MappedEvent:
    """One exported event, of the id it was sent with. Raises RefusedError.

    Mixpanel rewrites `distinct_id` once a device is known to be a user's; the id before that is
    what was known when the event happened.
    """
    require_object(event)
    properties = object_in(event, "properties")
    timestamp = parse_time_us(properties.get("time"))
    if timestamp is None:
        raise RefusedError(NO_TIMESTAMP)
    received_at = parse_time_us(properties.get("$mp_api_timestamp_ms"))
    if received_at is None:
        received_at = _time(properties.get("mp_processing_time_ms"), timestamp)
    distinct_id = properties.get("$distinct_id_before_identity")
    if distinct_id is None:
        distinct_id = properties.get("distinct_id")
    event_id = _event_id(event, properties, distinct_id, timestamp)
    return _map(event_id, event, properties, distinct_id, timestamp, received_at or timestamp)


def map_engage(update: Mapping[str, Any], received_at: int) -> MappedEvent:
    """One profile update as an identify event with the traits it sets. Raises RefusedError."""
    require_object(update)
    changes = {name: value for name, value in update.items() if name not in _TRANSPORT}
    user_id, anonymous_id = _who(update, update.get("$distinct_id"))
    timestamp = _time(update.get("$time"), received_at)
    return assemble(
        None, IDENTIFY, user_id, anonymous_id, timestamp, received_at, traits_of(changes)
    )


def _map(
    event_id: str | None,
    event: Mapping[str, Any],
    properties: Mapping[str, Any],
    distinct_id: Any,
    timestamp: int | None,
    received_at: int,
) -> MappedEvent:
    name = event.get("event")
    own = dict(properties)
    own.pop("token", None)
    facts: Mapping[str, Any] = own
    if name in ("$create_alias", "$merge", "$identify"):
        name, user_id, anonymous_id, previous = _identity(name, properties)
        facts = {}
        if previous is not None:
            own[PREVIOUS_ID] = previous
    else:
        user_id, anonymous_id = _who(properties, distinct_id)
    return assemble(event_id, name, user_id, anonymous_id, timestamp, received_at, own, facts)


def _time(value: Any, otherwise: int) -> int | None:
    return otherwise if value is None else parse_time_us(value)


def _event_id(
    event: Mapping[str, Any], properties: Mapping[str, Any], distinct_id: Any, time: int | None
) -> str | None:
    """Made of Mixpanel's key; None when it has none, or its event has no name."""
    name, insert_id = event.get("event"), text_id(properties.get("$insert_id"))
    if insert_id is None or not isinstance(name, str):
        return None
    second = "" if time is None else str(time // 1_000_000)
    return digest("mixpanel", name, second, text_id(distinct_id) or _implied(properties), insert_id)


def _implied(properties: Mapping[str, Any]) -> str:
    """The distinct id that Mixpanel gives an event sent without one."""
    user_id = text_id(properties.get("$user_id"))
    return user_id or f"{_DEVICE}{text_id(properties.get('$device_id'))}"


def _who(ids: Mapping[str, Any], distinct_id: Any) -> tuple[Any, Any]:
    """User and anonymous id. Without `$user_id`, a distinct id that is no device's is a user's."""
    user_id, device_id = ids.get("$user_id"), ids.get("$device_id")
    if isinstance(distinct_id, str) and distinct_id.startswith(_DEVICE):
        return user_id, distinct_id[len(_DEVICE) :]
    if text_id(user_id) is None and distinct_id != device_id:
        user_id = distinct_id
    return user_id, device_id


def _identity(name: str, properties: Mapping[str, Any]) -> tuple[str, Any, Any, str | None]:
    """Name, user id, anonymous id and previous id of an event that says who is who."""
    if name == "$identify":
        return IDENTIFY, properties.get("$identified_id"), properties.get("$anon_id"), None
    if name == "$create_alias":
        previous, user_id = properties.get("distinct_id"), properties.get("alias")
    else:
        previous, user_id = _merged(properties.get("$distinct_ids"))
    previous = text_id(_bare(previous))
    if previous is None:
        raise RefusedError(NO_PREVIOUS_ID)
    return ALIAS, _bare(user_id), None, previous


def _merged(ids: Any) -> tuple[Any, Any]:
    """A pair in no particular order; a device is never the user."""
    if not isinstance(ids, list) or len(ids) != 2:
        raise RefusedError(NO_PREVIOUS_ID)
    first, second = ids
    if isinstance(second, str) and second.startswith(_DEVICE):
        return second, first
    return first, second


def _bare(distinct_id: Any) -> Any:
    return distinct_id.removeprefix(_DEVICE) if isinstance(distinct_id, str) else distinct_id
