"""What all connectors do alike: item, value, clock, ids, and the event itself.

The item of an event is the first of ITEM_NAMES among its own properties that names something;
its value is the first of VALUE_NAMES that is a finite number, or text that reads as one. Lists of
products stay in the properties. Nothing is taken out of the properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from typing import Any

from tidemill.events.mapped import MappedEvent, RefusedError, parse_time_us, text_id, to_json
from tidemill.events.rules import NO_NAME, NOBODY

ITEM_NAMES = (
    *("product_id", "productId", "item_id", "itemId", "sku", "content_id", "contentId"),
    *("$product_id", "$productId"),
)
VALUE_NAMES = ("revenue", "$revenue", "value", "price", "$price", "amount", "$amount", "total")

NOT_AN_OBJECT = "not a JSON object"
PROPERTIES_NOT_AN_OBJECT = "properties are not a JSON object"
NOT_UNICODE = "an id or name is not Unicode text"
NO_TIMESTAMP = "no timestamp"
NO_PREVIOUS_ID = "no previous_id"

_ITEM_NAMES = frozenset(ITEM_NAMES)
_VALUE_NAMES = frozenset(VALUE_NAMES)
_NUMBERS = (int, float)
_SETTING = ("$setOnce", "$set_once", "$set")
_LONGEST_SHIFT = 100 * 365 * 86_400 * 1e6
_NOTHING: Mapping[str, Any] = {}


def assemble(
    event_id: str | None,
    name: Any,
    user_id: Any,
    anonymous_id: Any,
    timestamp: int | None,
    received_at: int,
    properties: Mapping[str, Any],
    facts: Mapping[str, Any] = _NOTHING,
    item_id: str | None = None,
    value: float | None = None,
) -> MappedEvent:
    """The event of these parts, ids and name as they were sent.

    `item_id` and `value` are looked for among `facts` when they are None. Raises RefusedError.
    """
    if not isinstance(name, str) or not (name := name.strip()):
        raise RefusedError(NO_NAME)
    user_id, anonymous_id = text_id(user_id), text_id(anonymous_id)
    if user_id is None and anonymous_id is None:
        raise RefusedError(NOBODY)
    if item_id is None:
        item_id = item_of(facts)
    if not (texts := f"{event_id}{name}{user_id}{anonymous_id}{item_id}").isascii():
        _require_unicode(texts)
    if value is None:
        value = value_of(facts)
    text = to_json(properties)
    return MappedEvent(
        event_id, name, user_id, anonymous_id, item_id, timestamp, received_at, value, text
    )


def require_object(event: Any) -> None:
    """Raise RefusedError unless `event` is an object."""
    if not isinstance(event, dict):
        raise RefusedError(NOT_AN_OBJECT)


def object_in(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under `name`, empty when there is none. Raises RefusedError for anything else."""
    found = event.get(name)
    if found is None:
        return _NOTHING
    if not isinstance(found, dict):
        raise RefusedError(PROPERTIES_NOT_AN_OBJECT)
    return found


def item_of(properties: Mapping[str, Any]) -> str | None:
    """The item that `properties` name."""
    if _ITEM_NAMES.isdisjoint(properties):
        return None
    for name in ITEM_NAMES:
        if name in properties and (found := text_id(properties[name])) is not None:
            return found
    return None


def value_of(properties: Mapping[str, Any]) -> float | None:
    """What the event was worth according to `properties`."""
    if _VALUE_NAMES.isdisjoint(properties):
        return None
    for name in VALUE_NAMES:
        if name in properties and (found := number(properties[name])) is not None:
            return found
    return None


def number(value: Any) -> float | None:
    """A finite number, or text that reads as one."""
    if isinstance(value, str):
        if "_" in value:  # Python reads 1_000, nobody else does
            return None
    elif not isinstance(value, _NUMBERS) or isinstance(value, bool):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if isfinite(parsed) else None


def correct_clock(happened: int | None, sent_at: int | None, received_at: int) -> int | None:
    """`happened` by our clock, given that the client's said `sent_at` when we had `received_at`.

    All are microseconds. Unknown `sent_at`: the client's clock is trusted.
    """
    if happened is None or sent_at is None:
        return happened
    return received_at - (sent_at - happened)


def shift(time: int, microseconds: float) -> int | None:
    """`time` moved by `microseconds`; None when that is further than a life."""
    return time + int(microseconds) if abs(microseconds) < _LONGEST_SHIFT else None


def epoch_us(value: Any) -> int | None:
    """Microseconds since 1970 of an epoch number, also one written as text."""
    return parse_time_us(number(value))


def digest(*parts: str) -> str:
    """An event id made of `parts`."""
    # Lone surrogates are refused later, with a reason.
    return sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


def traits_of(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a profile is set to, by name; any other change stays under its operator (`$add`)."""
    traits = {name: value for name, value in changes.items() if name not in _SETTING}
    for operator in _SETTING:
        traits.update(object_in(changes, operator))
    return traits


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedError(NOT_UNICODE) from error
