"""Rows whose outcomes are known, at training or now, and when there are enough of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.decay.influence import Sides
from tidemill_monitoring.verdicts import MINIMUM_OUTCOMES, MINIMUM_USERS, Concern, Status, Verdict

MAXIMUM_USERS = 10_000
"""Of both sides together; beyond it the least loss that counts decides, not the sampling noise."""


@dataclass(frozen=True)
class KnownRows:
    """Predictions with their outcomes. A user may have several rows."""

    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    vectors: NDArray[np.float32]
    """[rows, features]; NaN is missing."""
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]

    def take(self, rows: NDArray[np.bool_]) -> KnownRows:
        return KnownRows(*(getattr(self, each.name)[rows] for each in fields(self)))


def sample_users(then: KnownRows, now: KnownRows, seed: int = 0) -> tuple[KnownRows, KnownRows]:
    """All rows of at most `MAXIMUM_USERS` users, the same ones on both sides."""
    sides = Sides.of(then.users, now.users)
    if sides.users <= MAXIMUM_USERS:
        return then, now
    chosen = np.zeros(sides.users, dtype=np.bool_)
    chosen[np.random.default_rng(seed).choice(sides.users, MAXIMUM_USERS, replace=False)] = True
    return then.take(chosen[sides.then]), now.take(chosen[sides.now])


def too_few_outcomes(concern: Concern, then: KnownRows, now: KnownRows) -> Verdict | None:
    """An undecided verdict that says what is missing, or None when both sides have enough."""
    for side, rows in (("now", now), ("in the model's test window", then)):
        users, positives = len(np.unique(rows.users)), int(rows.labels.sum())
        least = min(positives, len(rows.labels) - positives)
        evidence = {"users": users, "positives": positives}
        if users < MINIMUM_USERS:
            sentence = (
                f"Outcomes of only {users} users are known {side}; {MINIMUM_USERS} are needed."
            )
            return Verdict(concern, Status.UNDECIDED, sentence, evidence)
        if least < MINIMUM_OUTCOMES:
            sentence = (
                f"{positives} of {users} users had the outcome {side}; {MINIMUM_OUTCOMES} with and "
                f"{MINIMUM_OUTCOMES} without are needed."
            )
            return Verdict(concern, Status.UNDECIDED, sentence, evidence)
    return None
