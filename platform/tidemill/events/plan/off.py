"""Settings of a tracking plan that can be `off`, and the debounce window."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from pydantic import SerializerFunctionWrapHandler

OFF = "off"
_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000}
_LONGEST = timedelta(minutes=10)
_NOT_A_WINDOW = "a window is a whole number and a unit (ms, s, m), like 500ms or 1s, or 'off'"


def off_is_none(value: Any) -> Any:
    """`off` as None; YAML reads it as False where it stands without quotes."""
    return None if value is False or value == OFF else value


def none_is_off(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    """The reverse of `off_is_none`."""
    return OFF if value is None else handler(value)


def parse_window(value: Any) -> timedelta | None:
    """'1s' as a timedelta, 'off' as None. Raises ValueError for anything else."""
    value = off_is_none(value)
    if value is None or isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"([1-9][0-9]{0,5})(ms|s|m)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(_NOT_A_WINDOW)
    window = timedelta(microseconds=int(found[1]) * _UNITS[found[2]])
    if window > _LONGEST:
        raise ValueError("a window is at most ten minutes")
    return window


def format_window(window: timedelta | None) -> str:
    """The shortest exact spelling: 60,000 ms are '1m'."""
    if window is None:
        return OFF
    microseconds = round(window / timedelta(microseconds=1))
    unit = next(unit for unit in ("m", "s", "ms") if microseconds % _UNITS[unit] == 0)
    return f"{microseconds // _UNITS[unit]}{unit}"
