"""Lengths of time as people write them in an objective: 28d, 4w, 12h."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from tidemill.objective.cel import rules

_UNITS = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1)}
_PATTERN = r"^[1-9][0-9]{0,4}[hdw]$"
_LONGEST = timedelta(days=3660)
_NOT_A_DURATION = "a duration is a whole number and a unit (h, d, w), like 28d or 12h"
_TOO_LONG = "a duration is at most ten years"


def parse_duration(value: Any) -> timedelta:
    """'28d' as a timedelta. Raises ValueError for anything that is not a duration."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(_PATTERN, value):
        raise ValueError(_NOT_A_DURATION)
    length = int(value[:-1]) * _UNITS[value[-1]]
    if length > _LONGEST:
        raise ValueError(_TOO_LONG)
    return length


def format_duration(length: timedelta) -> str:
    """The shortest exact spelling in days or hours: 4 weeks are '28d'."""
    hours = round(length / timedelta(hours=1))
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


_SHAPE = f"self.matches('{_PATTERN}')"
_MOST = {unit: _LONGEST // length for unit, length in _UNITS.items()}
_LENGTH = f"int(self.substring(0, self.size() - 1)) <= {_MOST}[self.substring(self.size() - 1)]"

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            # Wider than any duration, so that a slip is answered by the rule, which says more.
            "maxLength": 64,
            "examples": ["28d"],
            **rules((_SHAPE, _NOT_A_DURATION), (f"!{_SHAPE} || {_LENGTH}", _TOO_LONG)),
        }
    ),
]
