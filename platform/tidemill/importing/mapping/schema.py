"""What a mapping is: the one schema behind the YAML file and its documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tidemill.errors import EventLogError
from tidemill.events.rules import LONGEST_ID
from tidemill.objective.block import Block
from tidemill.objective.documents import check_document, list_problems

Column = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
"""Name of a column, or the way to a value inside nested JSON: `customer.id`, `items.0.sku`."""
_SETTABLE = ("name", "user_id", "anonymous_id", "item_id", "value")


def _alone(value: Any) -> Any:
    """`timestamp: at` is short for `timestamp: {column: at}`."""
    return {"column": value} if isinstance(value, str) else value


def _one_value(value: Any) -> Any:
    if not isinstance(value, str | int | float | bool):
        raise ValueError("must be text, a number, true or false")
    return value


class Time(Block):
    """Where an instant stands, and how it is written."""

    column: Column
    """Its column or path."""
    format: str | None = None
    """How its text is written, as in Python's strptime: `%d.%m.%Y %H:%M`. Default: ISO 8601."""
    unit: Literal["s", "ms", "us", "ns"] | None = None
    """What its number counts since 1970. Default: told from its size, never `ns`."""

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        if self.format is not None and self.unit is not None:
            raise ValueError("format is for text and unit for numbers; give one of them")
        return self


Instant = Annotated[Time, BeforeValidator(_alone)]
Constant = Annotated[Any, BeforeValidator(_one_value)]


class MappingSpec(Block):
    """Which column is what; times without a zone are UTC."""

    name: Column | None = None
    """What happened; or give `constants.name`."""
    timestamp: Instant
    """When it happened."""
    received_at: Instant | None = None
    """When it became known; when it happened if left out."""
    user_id: Column | None = None
    """Who it was, if known."""
    anonymous_id: Column | None = None
    """Which device or session it was."""
    item_id: Column | None = None
    """What it was about."""
    value: Column | None = None
    """What it was worth, a number."""
    event_id: Column | None = None
    """What tells it from all others; made of its content if left out."""
    constants: dict[Column, Constant] = Field(default={})
    """Values that stand in no column: of the fields above, or else properties of every event."""
    properties: list[Column] | None = None
    """The columns that become properties, named as they are here. Default: all that are not used
    above."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        for field in _SETTABLE:
            if field in self.constants and getattr(self, field) is not None:
                raise ValueError(f"{field} has a column and a constant; give one of them")
        for field in ("timestamp", "received_at", "event_id"):
            if field in self.constants:
                raise ValueError(f"{field} cannot be the same for all events")
        if self.name is None and "name" not in self.constants:
            raise ValueError("name is missing; give its column, or constants.name")
        who = {"user_id", "anonymous_id"}
        if not self.user_id and not self.anonymous_id and not who & self.constants.keys():
            raise ValueError("user_id or anonymous_id is needed")
        return self


class EventMapping(Block):
    """What the columns of a file are."""

    apiVersion: Literal["tidemill.dev/v1alpha1"]  # noqa: N815 - the key of the file
    """Version of this schema."""
    kind: Literal["EventMapping"]
    """Always `EventMapping`."""
    spec: MappingSpec
    """The mapping itself."""


def read_mapping(path: Path) -> EventMapping:
    """The mapping in a file.

    Raises EventLogError whose message holds one `FILE:LINE: key: what is wrong` per problem.
    """
    mapping, problems = check_document(path, EventMapping)
    if mapping is None:
        raise EventLogError(
            list_problems(path, problems),
            hint="docs/importing.md explains every key, examples/mappings/orders.yaml has most",
        )
    return mapping
