"""Compares challenger and champion on the slices that an objective guards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import PairedDifference
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill_features.user_attributes import newest_values
from tidemill_pipelines.gate import GuardedSlice

MINIMUM_USERS = 200
MINIMUM_OUTCOMES = 30
"""With fewer positives, or fewer negatives, an interval of an AUC says nothing."""
MOST_SLICES = 20
"""Of one attribute, the largest; the price of each is a wider interval for all."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """The users that both models were judged on."""

    users: Sequence[str]
    cutoff_us: int
    """Microseconds since 1970 UTC."""
    outcomes: Mask
    """[n]; who had the outcome. Ranked against those who had not, if there are any."""
    compare: Callable[[Mask], PairedDifference]
    """Challenger over champion on some of the users."""


def guarded_slices(home: Home, fields: Sequence[str], judged: Judged) -> list[GuardedSlice]:
    """Each slice of each attribute in `fields` (`property.<name>`) that has users enough."""
    if not fields:
        return []
    with EventLog(home.events).connect() as con:
        values = {
            field: newest_values(con, field, judged.cutoff_us, judged.users) for field in fields
        }
    return [each for field in fields for each in slices_of(field, values[field], judged)]


def slices_of(field: str, values: Sequence[str | None], judged: Judged) -> list[GuardedSlice]:
    """One slice for each value of users, and one for those without, the largest first."""
    texts = np.array([value or "" for value in values], dtype=np.str_)
    distinct, counts = np.unique(texts, return_counts=True)
    found = []
    for value in distinct[np.argsort(-counts, kind="stable")][:MOST_SLICES].tolist():
        members: Mask = texts == value
        if _is_enough(judged.outcomes, members):
            name = f"{field} = {value}" if value else f"users without {field}"
            outcomes = int(judged.outcomes[members].sum())
            compared = judged.compare(members)
            found.append(GuardedSlice(name, int(members.sum()), outcomes, compared))
    return found


def _is_enough(outcomes: Mask, members: Mask) -> bool:
    users, happened = int(members.sum()), int(outcomes[members].sum())
    rest = MINIMUM_OUTCOMES if outcomes.all() else users - happened
    return users >= MINIMUM_USERS and min(happened, rest) >= MINIMUM_OUTCOMES
