"""One event in the log's own terms, and the helpers that every connector needs."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from tidemill.events.ids import is_junk_id
from tidemill.events.rules import LARGEST_PROPERTIES, TOO_DEEP, TOO_LARGE

IDENTIFY = "$identify"
"""A user told traits, or who an anonymous id is."""
ALIAS = "$alias"
"""`properties.previous_id` and `user_id` are one person."""
GROUP = "$group"
PAGE = "$page"
SCREEN = "$screen"
PREVIOUS_ID = "previous_id"

_LONGEST_RAW = 64 * 1024
_US = 1_000_000
_MILLISECONDS_FROM = 1e11
"""Epoch numbers from here on are milliseconds: as seconds they would lie after the year 5000."""
_MICROSECONDS_FROM = 1e14
_FARTHEST = 1e18
_LONGEST_DATE = len("20240131")


_DEEP = reprlib.Repr()
_DEEP.maxlevel = 200
_DEEP.maxdict = _DEEP.maxlist = _DEEP.maxstring = _DEEP.maxother = _LONGEST_RAW


class MappedEvent(NamedTuple):
    """An event with the log's columns; times are microseconds since 1970 UTC."""

    event_id: str | None
    """None: made of the content later."""
    name: str | None
    user_id: str | None
    anonymous_id: str | None
    item_id: str | None
    timestamp: int | None
    """When it happened, by a corrected clock; None when it was absent or unreadable."""
    received_at: int
    value: float | None
    properties: str
    """JSON object with sorted keys."""


class Refusal(NamedTuple):
    """An event that cannot become one of the log's."""

    reason: str
    raw: str
    """What was sent, at most 64 KB of it."""


class RefusedError(Exception):
    """The event cannot become one of the log's; the message is the reason."""


def refusal(error: RefusedError, event: Any) -> Refusal:
    """What is kept of a refused event."""
    try:
        raw = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # nested too deeply to be written again, or with half a character
        raw = _DEEP.repr(event)
    return Refusal(str(error), raw[:_LONGEST_RAW])


def to_json(properties: Mapping[str, Any]) -> str:
    """JSON with sorted keys. Raises RefusedError when it is too large or nested too deeply.

    A question mark stands for half a character, which no UTF-8 can hold.
    """
    try:
        text = orjson.dumps(properties, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = _dump_halves(properties)
    if len(text) > LARGEST_PROPERTIES:
        raise RefusedError(TOO_LARGE)
    return text.decode()


def _dump_halves(properties: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(properties, ensure_ascii=False).encode(errors="replace")
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError, RecursionError) as error:  # orjson writes 254 levels
        raise RefusedError(TOO_DEEP) from error


def text_id(value: Any) -> str | None:
    """An id as text; None for what names nobody."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    else:
        return None
    return None if not text or is_junk_id(text) else text


def parse_time_us(value: Any) -> int | None:
    """Microseconds since 1970 of ISO 8601 text (UTC unless it says) or of an epoch number.

    Numbers are seconds, milliseconds or microseconds, told apart by their size.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_FARTHEST < value < _FARTHEST:  # nor is NaN
        return None
    size = abs(value)
    if size >= _MICROSECONDS_FROM:
        return int(value)
    return int(value * 1_000) if size >= _MILLISECONDS_FROM else int(value * _US)


def _parse_text(text: str) -> int | None:
    # Python takes 1712011112345 for the year 1712.
    if len(text) > _LONGEST_DATE and text.isdecimal():
        return _parse_number(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return _parse_number(text)
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    delta = aware - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * _US + delta.microseconds


def _parse_number(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return parse_time_us(number)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
