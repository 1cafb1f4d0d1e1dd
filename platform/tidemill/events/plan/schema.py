"""What a tracking plan is: the one schema behind the YAML file and its documentation."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WrapSerializer, model_validator

from tidemill.events.plan.off import format_window, none_is_off, off_is_none, parse_window
from tidemill.events.rules import LONGEST_ID
from tidemill.objective.block import Block

API_VERSION: Literal["tidemill.dev/v1alpha1"] = "tidemill.dev/v1alpha1"
KIND: Literal["TrackingPlan"] = "TrackingPlan"

Type = Literal["string", "number", "integer", "boolean", "object", "array"]
Scalar = str | int | float | bool
_NUMBERS = ("number", "integer")


def _one_value(value: Any) -> Any:
    if not isinstance(value, Scalar) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("must be text, a number, true or false")
    return value


def _valid_pattern(pattern: Any) -> Any:
    import pyarrow as pa  # heavy; its expressions are RE2's, which are not quite Python's
    import pyarrow.compute as pc

    if isinstance(pattern, str):
        try:
            pc.match_substring_regex(pa.array([""]), pattern=pattern)
        except pa.ArrowInvalid as error:
            raise ValueError(f"is not a regular expression (RE2): {error}") from error
    return pattern


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=1, le=1_000_000)]


class PropertyPlan(Block):
    """What one property has to look like where it is given; null counts as not given."""

    type: Type | None = None
    """`string`, `number`, `integer`, `boolean`, `object` or `array`, as in JSON; default any."""
    values: list[Annotated[Any, BeforeValidator(_one_value)]] | None = Field(None, min_length=1)
    """The allowed values; any if left out."""
    minimum: Finite | None = None
    """The smallest allowed number."""
    maximum: Finite | None = None
    """The largest allowed number."""
    pattern: Annotated[str, BeforeValidator(_valid_pattern)] | None = None
    """A regular expression (RE2) that must be found in the text; `^` and `$` tie it to the ends."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if (self.minimum, self.maximum) != (None, None) and self.type not in _NUMBERS:
            raise ValueError("minimum and maximum need the type number or integer")
        if self.pattern is not None and self.type != "string":
            raise ValueError("pattern needs the type string")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum ({self.minimum}) is greater than maximum ({self.maximum})")
        for value in self.values or ():
            if self.type is not None and not _fits(value, self.type):
                raise ValueError(f"{value!r} in values is not of the type {self.type}")
        return self


class EventPlan(Block):
    """What the events of one name have to look like. Properties that are not named are free."""

    required: list[Name] = Field(default=[])
    """Properties that every event has."""
    fields: list[Literal["user_id", "anonymous_id", "item_id", "value"]] = Field(default=[])
    """Fields of the event itself, outside its properties, that every event has."""
    properties: dict[Name, PropertyPlan] = Field(default={})
    """What each property has to look like where it is given."""


class Bots(Block):
    """Rates that no person reaches."""

    eventsPerMinute: Whole = 120
    """Events of one user within a calendar minute, in at least 20 of its seconds, from which on
    all events of that minute are marked."""


class Identity(Block):
    """How many ids can be one person before they are taken for something shared."""

    devicesPerUser: Whole = 50
    """Anonymous ids that join one user; later ones stay on their own."""
    usersPerDevice: Whole = 3
    """Users that one anonymous id can become; beyond, it is a shared device."""


class PlanSpec(Block):
    """The plan itself."""

    events: dict[Name, EventPlan] = Field(default={})
    """The planned events by name."""
    unplanned: Literal["allow", "reject"] = "allow"
    """What becomes of an event whose name is not planned."""
    debounce: Annotated[
        timedelta | None, BeforeValidator(parse_window), PlainSerializer(format_window)
    ] = timedelta(seconds=1)
    """How long after an event the same one of the same user is a repeated click: `500ms`, `1s`;
    `off` counts them all."""
    bots: Annotated[Bots | None, BeforeValidator(off_is_none), WrapSerializer(none_is_off)] = Bots()
    """The rate from which on events are a bot's; `off` counts them all."""
    identity: Identity = Identity()
    """When ids are taken to be shared."""


class TrackingPlan(Block):
    """What events have to look like, and which of them count."""

    apiVersion: Literal["tidemill.dev/v1alpha1"]
    """Version of this schema."""
    kind: Literal["TrackingPlan"]
    """Always `TrackingPlan`."""
    spec: PlanSpec
    """What is planned."""

    @classmethod
    def of(cls, spec: PlanSpec) -> Self:
        """A plan that was not read from a file."""
        return cls(apiVersion=API_VERSION, kind=KIND, spec=spec)

    @property
    def marks_in_force(self) -> tuple[str, ...]:
        """Reasons whose marked events do not count; those of what is off count all the same."""
        is_on = {"repeat": self.spec.debounce is not None, "bot": self.spec.bots is not None}
        return tuple(reason for reason, heeded in is_on.items() if heeded)


def _fits(value: Scalar, kind: Type) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int | float):
        return kind == "number" or (kind == "integer" and float(value).is_integer())
    return kind == "string"
