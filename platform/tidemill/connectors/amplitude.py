"""Amplitude's events: HTTP API V2 and batch API, and the lines of an export.

Amplitude's `insert_id` is unique within a user or device, so `event_id` is made of both. What is
not a property of the event (platform, location, session, user properties ...) is kept under
`context`. The value is price times quantity, as Amplitude counts revenue, or else `revenue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.connectors.fields import (
    NO_TIMESTAMP,
    assemble,
    correct_clock,
    digest,
    item_of,
    number,
    object_in,
    require_object,
    traits_of,
)
from tidemill.events.mapped import (
    GROUP,
    IDENTIFY,
    MappedEvent,
    RefusedError,
    parse_time_us,
    text_id,
)

_COLUMNS = frozenset(
    (
        *("event_type", "event_properties", "user_id", "device_id", "insert_id", "$insert_id"),
        *("uuid", "time", "event_time", "client_event_time", "client_upload_time"),
        *("server_received_time", "server_upload_time", "processed_time"),
    )
)
_ARRIVAL = ("server_received_time", "server_upload_time", "processed_time")
_REVENUE = frozenset(("price", "revenue", "productId", "$price", "$revenue", "$productId"))
_NAMES = {"$identify": IDENTIFY, "$groupidentify": GROUP}


def map_amplitude(
    event: Mapping[str, Any], received_at: int, upload_time: int | None
) -> MappedEvent:
    """One live event; `upload_time` is its request's, by the client's clock. Raises RefusedError.

    An event without a time happened when it was received.
    """
    require_object(event)
    timestamp: int | None = received_at
    if event.get("time") is not None:
        timestamp = correct_clock(parse_time_us(event.get("time")), upload_time, received_at)
    return _map(event, _event_id(event, "insert_id"), timestamp, received_at)


def map_amplitude_export(event: Mapping[str, Any]) -> MappedEvent:
    """One exported event, whose `event_time` Amplitude has corrected. Raises RefusedError."""
    require_object(event)
    timestamp = parse_time_us(event.get("event_time"))
    if timestamp is None:
        raise RefusedError(NO_TIMESTAMP)
    arrivals = (parse_time_us(event.get(name)) for name in _ARRIVAL)
    received_at = next((time for time in arrivals if time is not None), timestamp)
    event_id = _event_id(event, "$insert_id") or text_id(event.get("uuid"))
    return _map(event, event_id, timestamp, received_at)


def _event_id(event: Mapping[str, Any], name: str) -> str | None:
    insert_id = text_id(event.get(name))
    if insert_id is None:
        return None
    # The user first: Amplitude makes up a device for a user without one.
    owner = text_id(event.get("user_id")) or text_id(event.get("device_id")) or ""
    return digest("amplitude", owner, insert_id)


def _map(
    event: Mapping[str, Any], event_id: str | None, timestamp: int | None, received_at: int
) -> MappedEvent:
    name = event.get("event_type")
    own = object_in(event, "event_properties")
    context = {
        field: value
        for field, value in event.items()
        if value is not None and field not in _COLUMNS
    }
    item_id = value = None
    facts = own
    if isinstance(name, str) and name in _NAMES:
        name, own, facts = _NAMES[name], {**_changes(context, name), **own}, {}
    elif not _REVENUE.isdisjoint(own) or not _REVENUE.isdisjoint(event):
        item_id, value = item_of(own) or item_of(event), _revenue(event, own)
    return assemble(
        event_id,
        name,
        event.get("user_id"),
        event.get("device_id"),
        timestamp,
        received_at,
        {"context": context, **own} if context else own,
        facts,
        item_id,
        value,
    )


def _changes(context: dict[str, Any], name: str) -> dict[str, Any]:
    """The traits that are set, taken out of the context."""
    field = "user_properties" if name == "$identify" else "group_properties"
    traits = traits_of(object_in(context, field))
    context.pop(field, None)
    return traits


def _revenue(event: Mapping[str, Any], own: Mapping[str, Any]) -> float | None:
    price = number(own.get("$price", event.get("price")))
    if price is None:
        return number(own.get("$revenue", event.get("revenue")))
    quantity = number(own.get("$quantity", event.get("quantity")))
    return number(price * (1.0 if quantity is None else quantity))
