"""Segment's and RudderStack's events: live calls, and the lines of an S3 archive.

The properties of `identify` and `group` are their traits; a call's `context` stays under
`context`, a page's `name` and `category` and a group's id (`group_id`) stand beside its properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.connectors.fields import (
    NO_PREVIOUS_ID,
    NO_TIMESTAMP,
    assemble,
    correct_clock,
    object_in,
    require_object,
)
from tidemill.events.mapped import (
    ALIAS,
    GROUP,
    IDENTIFY,
    PAGE,
    PREVIOUS_ID,
    SCREEN,
    MappedEvent,
    RefusedError,
    parse_time_us,
    text_id,
)

_NAMES = {"identify": IDENTIFY, "page": PAGE, "screen": SCREEN, "group": GROUP, "alias": ALIAS}
_UNKNOWN_CALL = "unknown type of call"


def map_segment(message: Mapping[str, Any], sent_at: int | None, received_at: int) -> MappedEvent:
    """One live call; `sent_at` is its request's, by the client's clock. Raises RefusedError.

    A call without a time happened when it was received.
    """
    require_object(message)
    happened = message.get("originalTimestamp")
    if happened is None:
        happened = message.get("timestamp")
    if happened is None:
        return _map(message, received_at, received_at)
    if sent_at is None:
        sent_at = parse_time_us(message.get("sentAt"))
    return _map(message, correct_clock(parse_time_us(happened), sent_at, received_at), received_at)


def map_segment_export(message: Mapping[str, Any]) -> MappedEvent:
    """One archived call, whose `timestamp` Segment has corrected. Raises RefusedError."""
    require_object(message)
    timestamp = parse_time_us(message.get("timestamp"))
    received_at = parse_time_us(message.get("receivedAt"))
    if received_at is None:
        received_at = timestamp
    if received_at is None:
        raise RefusedError(NO_TIMESTAMP)
    return _map(message, received_at if timestamp is None else timestamp, received_at)


def _map(message: Mapping[str, Any], timestamp: int | None, received_at: int) -> MappedEvent:
    kind = message.get("type")
    own: Mapping[str, Any] = {}
    if kind == "track" or (kind is None and "event" in message):
        name = message.get("event")
        own = facts = object_in(message, "properties")
    else:
        name = _NAMES.get(kind) if isinstance(kind, str) else None
        if name is None:
            raise RefusedError(_UNKNOWN_CALL)
        facts = _facts(message, name)
    context = message.get("context")
    return assemble(
        text_id(message.get("messageId")),
        name,
        message.get("userId"),
        message.get("anonymousId"),
        timestamp,
        received_at,
        {"context": context, **facts} if context else facts,
        own,
    )


def _facts(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The properties of a call other than track."""
    if name == IDENTIFY:
        return _traits(message)
    if name == GROUP:
        return {"group_id": message.get("groupId"), **object_in(message, "traits")}
    if name == ALIAS:
        previous = text_id(message.get("previousId"))
        if previous is None:
            raise RefusedError(NO_PREVIOUS_ID)
        return {PREVIOUS_ID: previous}
    labels = {label: message.get(label) for label in ("name", "category")}
    present = {label: text for label, text in labels.items() if text is not None}
    return {**present, **object_in(message, "properties")}


def _traits(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """RudderStack sends them in the context."""
    if message.get("traits") is not None:
        return object_in(message, "traits")
    context = message.get("context")
    return object_in(context, "traits") if isinstance(context, dict) else {}
