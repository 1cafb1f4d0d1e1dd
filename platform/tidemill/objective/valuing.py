"""The block of an objective that predicts what customers will buy, and what that is worth."""

from __future__ import annotations

from pydantic import Field

from tidemill.objective.block import Block
from tidemill.objective.duration import Duration
from tidemill.objective.fields import Amount
from tidemill.objective.recommending import EventName
from tidemill.objective.where import Where


class LifetimeValue(Block):
    """How often a customer will buy within the horizon, and for how much in all. What is bought on
    one day is one purchase.

    Customers are users with the event; they are predicted for while the last one lies within
    `population.active_within`.
    """

    event: EventName
    """Name of the event that is one purchase: an order, not its lines."""
    where: Where = Field(default={})
    """Conditions the event must meet, as in `propensity.where`."""
    value: Amount = "value"
    """What a purchase is worth: the event's own `value`, or a numeric property
    (`property.<name>`)."""
    within: Duration
    """The horizon: how far ahead purchases are counted. It may be as long as the history; the model
    is then judged over a shorter one, a quarter of the history."""
