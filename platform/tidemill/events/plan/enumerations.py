"""Which texts are one of a few fixed ones, and which only look like it so far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

_MOST_VALUES = 20
_LONGEST_VALUE = 40
_ENOUGH = 500
_PER_VALUE = 50
"""Events for each different value, on average: new values of an open list would have come up."""
_SELDOM = 10
_APPROXIMATION = 1.5
"""How far an approximate count may lie off."""

# Few so far is all that can be said of names, ids, versions and what people type.
_OPEN_KEYS = frozenset(
    (
        *("id", "ids", "uuid", "guid", "key", "token", "hash", "sku", "code", "ip", "url", "uri"),
        *("path", "href", "host", "domain", "referrer", "email", "phone", "name", "title", "text"),
        *(
            "query",
            "search",
            "term",
            "message",
            "version",
            "build",
            "date",
            "time",
            "user",
            "agent",
        ),
        *("campaign", "experiment", "variant", "label", "tag", "tags", "address", "city"),
    )
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LIKE_AN_ID = re.compile(r"\d{3,}|\d+\.\d+|^\W*\d+\W*$|[0-9a-f]{8,}")


class Value(NamedTuple):
    text: str
    events: int
    first: datetime


def may_be_enumerated(key: str, given: int, distinct: int) -> bool:
    """Whether it is worth looking at the values of a text property.

    `given` events have it, with about `distinct` different values.
    """
    words = {word.lower() for word in _WORDS.findall(key)}
    few = distinct <= _MOST_VALUES * _APPROXIMATION
    return few and given >= _ENOUGH and words.isdisjoint(_OPEN_KEYS)


def values_of(values: Sequence[Value], middle: datetime) -> list[str] | None:
    """All values, if nothing speaks for more to come; otherwise None.

    A value that came up only after the `middle` of the time speaks for more, as does a rare one.
    A single value says nothing about which others there may be.
    """
    events = sum(value.events for value in values)
    if not 2 <= len(values) <= _MOST_VALUES or events < _PER_VALUE * len(values):
        return None
    is_open = any(
        value.events < _SELDOM or value.first > middle or not _is_a_word(value.text)
        for value in values
    )
    return None if is_open else [value.text for value in values]


def _is_a_word(text: str) -> bool:
    return len(text) <= _LONGEST_VALUE and _LIKE_AN_ID.search(text) is None
