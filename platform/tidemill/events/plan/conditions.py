"""What a plan asks of one property, looked at for the values of many events at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import NoneType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tidemill.events.plan.schema import PropertyPlan

Breaches = Callable[[Sequence[Any]], list[int]]
"""From a property's values, None where there is none, to the positions of those that break it."""

_NUMBERS = frozenset((int, float))
_TYPES: dict[str, tuple[frozenset[type], str]] = {
    "string": (frozenset((str,)), "is not a string"),
    "number": (_NUMBERS, "is not a number"),
    "integer": (_NUMBERS, "is not an integer"),
    "boolean": (frozenset((bool,)), "is not a boolean"),
    "object": (frozenset((dict,)), "is not an object"),
    "array": (frozenset((list,)), "is not an array"),
}


def missing(values: Sequence[Any]) -> list[int]:
    """Positions without a value."""
    return [at for at, value in enumerate(values) if value is None] if None in values else []


def conditions(plan: PropertyPlan) -> Iterator[tuple[str, Breaches]]:
    """What is wrong, in words that follow the property's name, and how that is found."""
    if plan.type is not None:
        types, words = _TYPES[plan.type]
        yield words, _not_of(types)
        if plan.type == "integer":
            yield words, _fractional
    if plan.values is not None:
        yield "is not one of its values", _not_among(plan.values)
    if plan.minimum is not None:
        yield "is below its minimum", _below(plan.minimum)
    if plan.maximum is not None:
        yield "is above its maximum", _above(plan.maximum)
    if plan.pattern is not None:
        yield "does not match its pattern", _without(plan.pattern)


def _not_of(types: frozenset[type]) -> Breaches:
    expected = types | {NoneType}

    def breaches(values: Sequence[Any]) -> list[int]:
        others = set(map(type, values)) - expected
        return [at for at, value in enumerate(values) if type(value) in others] if others else []

    return breaches


def _fractional(values: Sequence[Any]) -> list[int]:
    return [at for at, v in enumerate(values) if type(v) is float and not v.is_integer()]


def _not_among(allowed: Sequence[Any]) -> Breaches:
    numbers = frozenset(value for value in allowed if type(value) in _NUMBERS)
    # By type, because True equals 1, and because what is no scalar cannot be looked up.
    by_type: dict[type, frozenset[Any]] = {
        **{kind: frozenset(v for v in allowed if type(v) is kind) for kind in (str, bool)},
        **dict.fromkeys(_NUMBERS, numbers),
        NoneType: frozenset((None,)),
    }

    def breaches(values: Sequence[Any]) -> list[int]:
        return [at for at, v in enumerate(values) if v not in by_type.get(type(v), ())]

    return breaches


def _below(minimum: float) -> Breaches:
    return lambda values: [at for at, v in enumerate(values) if type(v) in _NUMBERS and v < minimum]


def _above(maximum: float) -> Breaches:
    return lambda values: [at for at, v in enumerate(values) if type(v) in _NUMBERS and v > maximum]


def _without(pattern: str) -> Breaches:
    """By RE2, whose time is linear: the texts are strangers'."""

    def breaches(values: Sequence[Any]) -> list[int]:
        positions = [at for at, value in enumerate(values) if type(value) is str]
        texts = pa.array([values[at] for at in positions], pa.string())
        matches = pc.match_substring_regex(texts, pattern=pattern).to_pylist()
        return [at for at, matched in zip(positions, matches, strict=True) if not matched]

    return breaches
