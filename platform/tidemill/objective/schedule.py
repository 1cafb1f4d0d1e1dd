"""Cron schedules as Kubernetes reads them: minute, hour, day of month, month, day of week.

The same regular expressions are searched here and by the API server, in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from tidemill.objective.cel import rules

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = {
    **{name: at for at, name in enumerate(_MONTHS, 1)},
    **{n: at for at, n in enumerate(_DAYS)},
}
_LONGEST = 512
_NOT_FIVE = (
    "a schedule has five fields (minute, hour, day of month, month, day of week), like '0 3 * * 1'"
)


def _numbers(low: int, high: int) -> str:
    """Alternatives for the numbers from `low` to `high`: '0?[5-9]|1[0-9]|2[0-3]' for 5 to 23."""
    return "|".join(
        f"{tens or '0?'}[{max(low - 10 * tens, 0)}-{min(high - 10 * tens, 9)}]"
        for tens in range(low // 10, high // 10 + 1)
    )


def _values(low: int, high: int, names: tuple[str, ...]) -> str:
    return "|".join([_numbers(low, high), *(n for n in names if low <= _NAMES[n] <= high)])


def _field(low: int, high: int, names: tuple[str, ...] = ()) -> str:
    value = f"({_values(low, high, names)})"
    part = f"([*]|{value}(-{value})?)(/[1-9][0-9]?)?"
    return f"{part}(,{part})*"


_FIELDS = (
    ("minute", "0 to 59", _field(0, 59)),
    ("hour", "0 to 23", _field(0, 23)),
    ("day of month", "1 to 31", _field(1, 31)),
    ("month", "1 to 12", _field(1, 12, _MONTHS)),
    ("day of week", "0 to 6", _field(0, 6, _DAYS)),
)


def _backward(start: int) -> str:
    """A range from `start` to anything below it, whatever the field."""
    names = _MONTHS + _DAYS if start <= len(_MONTHS) else ()
    return f"({_values(start, start, names)})-({_values(0, start - 1, names)})"


_BACKWARDS = "(^|[ ,])(" + "|".join(map(_backward, range(1, 60))) + ")([/ ,]|$)"
_RUNS_BACKWARDS = "a range in a schedule runs forwards, like 9-17"


def check_schedule(value: str) -> str:
    """The schedule itself. Raises ValueError naming the field that is wrong."""
    fields = [field for field in value.lower().split(" ") if field]
    if len(fields) != len(_FIELDS):
        raise ValueError(_NOT_FIVE)
    for field, (name, valid, pattern) in zip(fields, _FIELDS, strict=True):
        if not re.fullmatch(pattern, field):
            raise ValueError(_not_a_field(name, valid))
        if re.search(_BACKWARDS, field):
            raise ValueError(f"{_RUNS_BACKWARDS}; the {name} does not")
    return value


def _not_a_field(name: str, valid: str) -> str:
    return f"the {name} of a schedule is {valid}, '*' or '*/n'"


def _rules() -> Iterator[tuple[str, str]]:
    five = "self.matches('^ *([^ ]+ +){4}[^ ]+ *$')"
    yield five, _NOT_FIVE
    for at, (name, valid, pattern) in enumerate(_FIELDS):
        matches = f"self.lowerAscii().matches('^ *([^ ]+ +){{{at}}}({pattern})( |$)')"
        yield f"!{five} || {matches}", _not_a_field(name, valid)
    yield f"!self.lowerAscii().matches('{_BACKWARDS}')", _RUNS_BACKWARDS


Schedule = Annotated[
    str,
    Field(max_length=_LONGEST),
    AfterValidator(check_schedule),
    WithJsonSchema({"type": "string", "maxLength": _LONGEST, **rules(*_rules())}),
]
