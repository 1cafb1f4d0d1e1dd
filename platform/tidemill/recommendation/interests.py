"""What counts as interest in an item, and what is known of it for each user and item."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from tidemill.objective import Objective

DAY = timedelta(days=1)
HALF_LIVES = (0.5, 1.0, 4.0, 16.0)
"""Of the decayed sums, in horizons: from what was just looked at to what was always bought."""
FACTS = (
    "decayed_half",
    "decayed_one",
    "decayed_four",
    "decayed_sixteen",
    "total",
    "days_since_last",
    "days_since_first",
)
"""For each user and item, in this order. Sums count an item once a day, with the largest weight of
that day; ages are whole days before the cutoff."""
ACTIVITY = ("active_one", "active_four", "active_sixteen", "days_since_last", "days_since_first")
"""For each user: days with any interest, decayed with half-lives of 1, 4 and 16 horizons; ages."""
LONGEST_HISTORY = 500
"""Items of a user that are kept, the latest first; a longer history is marked as cut off."""


class InterestEvent(BaseModel):
    """Events that count, and how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str
    where: dict[str, str] = {}
    weight: float = 1.0


class ExclusionRule(BaseModel):
    """Events after which their item is not offered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str
    within_us: int | None = None
    """Microseconds; None for ever."""


class PositionWeights(BaseModel):
    """How much an answer to an item counts by where the item was shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str
    """Of an item being shown."""
    position: str
    """`property.<name>` of it."""
    clicked: str
    """The interest that answers it."""
    within_us: int
    weights: tuple[float, ...]
    """Of positions 1, 2, ...; the last also stands for all that follow."""


class InterestDefinition(BaseModel):
    """Everything a history is computed from. Equal definitions share their online rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: tuple[InterestEvent, ...]
    """The predicted event first."""
    by: str | None = None
    """The field whose values are offered; None for items themselves."""
    horizon_us: int
    context: str | None = None
    """`property.<name>`; the newest known value is the user's context."""
    exclude: tuple[ExclusionRule, ...] = ()
    positions: PositionWeights | None = None

    @property
    def view(self) -> str:
        """Name of the online view that holds the histories: it changes with the definition."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        return f"interests-{digest[:12]}"


def interests_of(
    objective: Objective, positions: PositionWeights | None = None
) -> InterestDefinition:
    """The definition that a recommendation or an offer declares."""
    choice = objective.choice
    if choice is None:
        raise ValueError(f"'{objective.name}' is a {objective.type}, which has no items to choose")
    return InterestDefinition(
        events=(
            InterestEvent(event=choice.event, where=choice.where),
            *(
                InterestEvent(event=each.event, where=each.where, weight=each.weight)
                for each in choice.interest
            ),
        ),
        by=choice.items.by,
        horizon_us=choice.within // timedelta(microseconds=1),
        context=choice.context,
        exclude=tuple(
            ExclusionRule(
                event=rule.event,
                within_us=None if rule.within is None else rule.within // timedelta(microseconds=1),
            )
            for rule in choice.exclude
        ),
        positions=positions,
    )
