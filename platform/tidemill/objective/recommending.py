"""The blocks of an objective that chooses items for a user instead of predicting one outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from tidemill.objective.block import Block
from tidemill.objective.cel import rules
from tidemill.objective.duration import Duration
from tidemill.objective.fields import ITEM, LONGEST_FIELD, Attribute, FieldName, Property, Value
from tidemill.objective.numbers import Whole
from tidemill.objective.where import Where

_MOST_EVENTS = 16
_MOST_CAPS = 4
_NOT_OF_ITEMS = "a condition on items is on their attributes, 'item.<name>'"
_NOT_AN_ATTRIBUTE = "at_most counts by attributes of the items, 'item.<name>'"

EventName = Annotated[str, Field(min_length=1, max_length=512)]


class Interest(Block):
    """An event that shows interest in its item."""

    event: EventName
    """Name of the event."""
    where: Where = Field(default={})
    """Conditions the event must meet, as in `propensity.where`."""
    weight: float = Field(default=1, ge=0.001, le=1000)
    """How much one day with such an event counts; the predicted event itself counts 1."""


class Availability(Block):
    """When an item may be offered, by two of its attributes, both optional for each item.

    Their values are ISO 8601 dates or instants, UTC where no zone is given.
    """

    start: Attribute | None = None
    """The attribute that says from when on."""
    end: Attribute | None = None
    """The attribute that says until when, exclusive."""


class Items(Block):
    """The catalogue, as far as this objective is about it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"!has(self.where) || self.where.all(key, key.startsWith('{ITEM}'))",
                _NOT_OF_ITEMS,
            )
        )
    )

    by: FieldName | None = None
    """Offer groups of items: the values of an attribute (`item.<name>`), or of a property of the
    events (`property.<name>`). Items themselves if left out."""
    where: Where = Field(default={})
    """Conditions on the items' attributes, `item.<name>`. Checked anew whenever features are."""
    minimum_users: Whole = Field(default=0, ge=0, le=1_000_000_000)
    """Leave out items that fewer users have shown interest in. With 0, new items are offered by
    what is known about them."""
    available: Availability = Availability()
    """When items may be offered; always if left out."""

    @model_validator(mode="after")
    def _check_where(self) -> Self:
        if not all(key.startswith(ITEM) for key in self.where):
            raise ValueError(f"{_NOT_OF_ITEMS}, found {', '.join(self.where)}")
        return self


class Exclusion(Block):
    """Items that are not offered to a user because of what the user did."""

    event: EventName
    """The event with the item, a purchase for example."""
    within: Duration | None = None
    """For how long after the event; for ever if left out."""


class Exposures(Block):
    """Where items were shown, so that the position can be told from the interest."""

    event: EventName
    """The event of an item being shown, one for each item."""
    position: Property
    """Its property that holds the position, 1 for the first."""
    clicked: EventName
    """The event of interest that answers it, with the same user and item."""
    within: Duration = timedelta(hours=24)
    """How long after being shown an answer counts."""


def _check_caps(caps: dict[str, int]) -> dict[str, int]:
    for key in caps:
        if not key.startswith(ITEM) or len(key) <= len(ITEM):
            raise ValueError(_NOT_AN_ATTRIBUTE)
    return caps


Caps = Annotated[
    dict[Annotated[str, Field(max_length=LONGEST_FIELD)], Annotated[Whole, Field(ge=1, le=1000)]],
    Field(max_length=_MOST_CAPS),
    AfterValidator(_check_caps),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": _MOST_CAPS,
            "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 1000},
            **rules(
                (
                    "self.all(key, key.startsWith('item.') && key.size() > 5)",
                    _NOT_AN_ATTRIBUTE,
                )
            ),
        }
    ),
]


class Choice(Block):
    """What recommendations and offers have in common."""

    event: EventName
    """Name of the event to bring about, with the item it is about."""
    where: Where = Field(default={})
    """Conditions the event must meet, as in `propensity.where`."""
    within: Duration
    """The horizon: how far after the cutoff the event is looked for."""
    interest: list[Interest] = Field(default=[], max_length=_MOST_EVENTS)
    """Other events that show interest in their item."""
    items: Items = Items()
    """What can be offered."""
    exclude: list[Exclusion] = Field(default=[], max_length=_MOST_EVENTS)
    """What is not offered because of what the user did."""
    at_most: Caps = Field(default={})
    """Diversity: at most so many items of a list share a value of the attribute `item.<name>`."""
    context: Property | None = None
    """A property of the events, such as a country or a shop. A user without a history is offered
    what is popular where the newest event says the user is."""
    exposures: Exposures | None = None
    """Events that say which item was shown where. With them, interest is weighed against the
    position it was shown at, once there is enough to estimate from."""
    randomise: float = Field(default=0, ge=0, le=0.5)
    """Share of answers in which the first item changes places with a random one of the list, to
    measure what positions do. Every answer says with what probability an item stood where."""


class Recommendation(Choice):
    """The items a user will most probably be interested in next."""

    repeats: bool = True
    """Whether items the user was interested in before may be offered again."""
    count: Whole = Field(default=20, ge=1, le=1000)
    """How many items are offered unless a request says otherwise, and judged."""


class NextBestOffer(Choice):
    """The offers with the highest expected value: probability of acceptance times value."""

    value: Value = "event"
    """What an accepted offer is worth: the mean value of its events (`event`), or a numeric
    attribute of the item (`item.<name>`)."""
    repeats: bool = True
    """Whether offers the user has accepted before may be made again."""
    count: Whole = Field(default=1, ge=1, le=1000)
    """How many offers are made unless a request says otherwise, and judged."""
