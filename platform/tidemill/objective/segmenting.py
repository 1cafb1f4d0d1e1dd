"""The block of an objective that divides users into segments instead of predicting an outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from tidemill.objective.block import Block
from tidemill.objective.cel import rules
from tidemill.objective.numbers import Whole
from tidemill.objective.recommending import EventName
from tidemill.objective.where import Where

Measure = Literal["count", "value", "recency", "weeks"]
Within = Literal["14d", "28d", "56d", "112d"]
FactorName = Annotated[str, Field(min_length=1, max_length=100)]
PERIOD = timedelta(days=28)
"""How much older the data is in which the same segments have to be found, unless
`training.every` says otherwise."""
_MOST_FACTORS = 12
_MOST_SEGMENTS = 20
_WITHIN = {"count": ("14d", "28d", "56d", "112d"), "value": ("28d", "112d")}
_NOT_WITHIN = (
    "`within` is 14d, 28d, 56d or 112d for `count`, 28d or 112d for `value`, and left out for "
    "`recency` and `weeks`"
)
_SAME_NAMES = "every factor has a name of its own"
_CEL_WITHIN = (
    "!has(self.within) || self.measure == 'count' || "
    "(self.measure == 'value' && self.within in ['28d', '112d'])"
)


class Factor(Block):
    """One thing that may set users apart: a hypothesis with a name."""

    model_config = ConfigDict(json_schema_extra=rules((_CEL_WITHIN, _NOT_WITHIN)))

    name: FactorName
    """What it is called in the descriptions of segments, such as `visits` or `buys tea`."""
    event: EventName | None = None
    """The event it is about; any event if left out."""
    where: Where = Field(default={})
    """Conditions the event must meet, as in `propensity.where`."""
    measure: Measure = "count"
    """What is measured: how many events (`count`), the sum of their values (`value`), days since
    the last one (`recency`), or in how many of the last 16 weeks there was one (`weeks`)."""
    within: Within | None = None
    """How far back `count` (14d, 28d, 56d, 112d) and `value` (28d, 112d) reach; all the way if left
    out."""

    @model_validator(mode="after")
    def _check_within(self) -> Self:
        if self.within is not None and self.within not in _WITHIN.get(self.measure, ()):
            raise ValueError(f"{_NOT_WITHIN}; found {self.within} for `{self.measure}`")
        return self


class Segments(Block):
    """How many segments there may be."""

    model_config = ConfigDict(
        json_schema_extra=rules(("self.min <= self.max", "min is greater than max"))
    )

    min: Whole = Field(default=2, ge=2, le=_MOST_SEGMENTS)
    """Fewer are not worth reporting."""
    max: Whole = Field(default=8, ge=2, le=_MOST_SEGMENTS)
    """More are not looked for."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is greater than max ({self.max})")
        return self


class Segmentation(Block):
    """Kinds of users that differ in what is declared here, if there are such kinds."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.factors.all(a, self.factors.exists_one(b, b.name == a.name))",
                _SAME_NAMES,
            )
        )
    )

    factors: list[Factor] = Field(min_length=1, max_length=_MOST_FACTORS)
    """What users may differ in. A few that mean something find more than many that may."""
    segments: Segments = Segments()
    """Between which numbers of segments the right one is looked for."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [factor.name for factor in self.factors]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{_SAME_NAMES}, found {', '.join(twice)} more than once")
        return self

    def __str__(self) -> str:
        return f"segments by {', '.join(factor.name for factor in self.factors)}"
