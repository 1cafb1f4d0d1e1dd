"""Cron schedules as Kubernetes reads them: minute, hour, day of month, month, day of week."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
)
_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_PART = re.compile(r"^(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9][0-9]?))?$")


def check_schedule(value: str) -> str:
    """The schedule itself. Raises ValueError naming the field that is wrong."""
    fields = value.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            "a schedule has five fields (minute, hour, day of month, month, day of week), "
            "like '0 3 * * 1'"
        )
    for text, (name, low, high) in zip(fields, _FIELDS, strict=True):
        if not all(_is_valid(part, name, low, high) for part in text.split(",")):
            raise ValueError(f"the {name} of a schedule is {low} to {high}, '*' or '*/n'")
    return value


def _is_valid(part: str, name: str, low: int, high: int) -> bool:
    match = _PART.match(part)
    if match is None:
        return False
    bounds = [_number(text, name, low) for text in match.group(1, 2) if text]
    return bounds == sorted(bounds) and all(low <= bound <= high for bound in bounds)


def _number(text: str, name: str, low: int) -> int:
    names = _NAMES.get(name, [])
    if text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdigit() else -1


Schedule = Annotated[str, AfterValidator(check_schedule)]
