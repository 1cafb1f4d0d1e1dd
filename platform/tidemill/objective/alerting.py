"""The block of an objective that watches one metric of one event instead of predicting anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from tidemill.objective.block import Block
from tidemill.objective.fields import FieldName, Metric
from tidemill.objective.recommending import EventName
from tidemill.objective.where import Where

Period = Literal["1d", "1h"]
Direction = Literal["both", "up", "down"]
OBJECTIVE_VARIABLE = "TIDEMILL_OBJECTIVE"
"""Where the operator hands a monitor its alert, as JSON."""
_MOST_FIELDS = 3
_LENGTHS = {"1d": timedelta(days=1), "1h": timedelta(hours=1)}


class Alert(Block):
    """A metric of an event that is watched for what is unusual."""

    event: EventName
    """Name of the event."""
    where: Where = Field(default={})
    """Conditions the event must meet, as in `propensity.where`."""
    metric: Metric = "count"
    """What is watched: how many events (`count`), how many different users (`users`), or the sum of
    the events' own `value` or of a numeric property (`property.<name>`)."""
    every: Period = "1d"
    """Whole days or whole hours, UTC."""
    by: list[FieldName] = Field(default=[], max_length=_MOST_FIELDS)
    """Where to look for what contributed most: the values of an attribute of the items
    (`item.<name>`) or of a property of the events (`property.<name>`)."""
    direction: Direction = "both"
    """Whether only rises (`up`) or only falls (`down`) matter."""

    @property
    def period(self) -> timedelta:
        """The length of a period."""
        return _LENGTHS[self.every]

    def __str__(self) -> str:
        conditions = " and ".join(f"{key} = {value}" for key, value in self.where.items())
        measured = {"count": "number of", "users": "users with", "value": "value of"}
        found = f"{measured.get(self.metric, f'sum of {self.metric} of')} {self.event}"
        found += f" with {conditions}" if conditions else ""
        return f"{found} per {'day' if self.every == '1d' else 'hour'}"
