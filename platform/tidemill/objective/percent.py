"""Shares as people write them in an objective: 5%, 0.5%, 33.33%."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from tidemill.objective.cel import rules

_PATTERN = r"^[0-9]{1,3}([.][0-9]{1,4})?%$"
_NOT_A_PERCENTAGE = "a percentage is a number and '%', with at most four decimals, like 5% or 0.5%"
_TOO_MUCH = "a percentage is at most 100%"
_HUNDRED = Decimal(100)


def parse_percent(value: Any) -> Decimal:
    """'5%' as 0.05. Raises ValueError for anything that is not a percentage of at most 100."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not re.fullmatch(_PATTERN, value):
        raise ValueError(_NOT_A_PERCENTAGE)
    share = Decimal(value[:-1]) / _HUNDRED
    if share > 1:
        raise ValueError(_TOO_MUCH)
    return share


def format_percent(share: Decimal) -> str:
    """The shortest spelling: 0.050 is '5%'."""
    return f"{(share * _HUNDRED).normalize():f}%"


def number_of(percentage: str) -> str:
    """CEL for the number in a percentage, given the expression of its text."""
    return f"double({percentage}.substring(0, {percentage}.size() - 1))"


_SHAPE = f"self.matches('{_PATTERN}')"


def _schema(*more: tuple[str, str]) -> dict[str, Any]:
    """JSON schema of a percentage, with `more` rules."""
    most = (f"!{_SHAPE} || {number_of('self')} <= 100.0", _TOO_MUCH)
    return {
        "type": "string",
        # Wider than any percentage, so that a slip is answered by the rule, which says more.
        "maxLength": 64,
        "examples": ["5%"],
        **rules((_SHAPE, _NOT_A_PERCENTAGE), most, *more),
    }


Percent = Annotated[
    Decimal,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent, return_type=str),
    WithJsonSchema(_schema()),
]
"""A share of something, from 0 to 1."""

_NOT_POSITIVE = "a percentage here is more than 0%"


def _check_positive(share: Decimal) -> Decimal:
    if share <= 0:
        raise ValueError(_NOT_POSITIVE)
    return share


PositivePercent = Annotated[
    Decimal,
    BeforeValidator(parse_percent),
    AfterValidator(_check_positive),
    PlainSerializer(format_percent, return_type=str),
    WithJsonSchema(_schema((f"!{_SHAPE} || {number_of('self')} > 0.0", _NOT_POSITIVE))),
]
"""A share of something, more than 0 and at most 1."""
