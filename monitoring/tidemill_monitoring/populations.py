"""The two populations that drift compares, and the verdict on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.drift import ColumnDrift, Population, measure_drift
from tidemill_monitoring.drift_verdict import judge_drift, separating_power, too_few_users
from tidemill_monitoring.earlier import Earlier
from tidemill_monitoring.inputs import MonitorInputs
from tidemill_monitoring.thresholds import learn_thresholds, ordinary_effects
from tidemill_monitoring.training_windows import read_training_windows, with_scores
from tidemill_monitoring.verdicts import MINIMUM_USERS, Verdict
from tidemill_monitoring.volumes import VolumeChange, uneven_features

SCORE = "score"
"""The model's answer, compared like a feature."""
_RANKED_USERS = 20_000
"""Users that are enough to see how well a feature alone ranks the outcome."""


@dataclass(frozen=True)
class Sides:
    """What drift compares. The last column of every population is the score."""

    reference: Population
    labels: NDArray[np.bool_]
    """Of the reference's users."""
    current: Population
    windows: list[Population]
    """The champion's training and test windows that are still known, oldest first."""
    names: list[str]


@dataclass(frozen=True)
class Comparison:
    """The verdict, and what a page about it draws."""

    verdict: Verdict
    columns: list[ColumnDrift] = field(default_factory=list)
    """Features only, largest effect first; empty when nothing was measured."""
    power: Mapping[str, float] = field(default_factory=dict)


def read_sides(inputs: MonitorInputs) -> Sides:
    """The newest vector of each served user, and that of each user of the test windows."""
    served, reference, columns = inputs.history.vectors, inputs.reference, inputs.comparable
    compared = np.append(columns, len(inputs.metadata.features))
    now = with_scores(served.users, served.vectors, served.scores)
    then = with_scores(reference.users, reference.vectors, reference.scores)
    newest = reference.newest_per_user()
    cutoffs = np.unique(reference.cutoffs)
    tested = [then.take(np.flatnonzero(reference.cutoffs == c), compared) for c in cutoffs]
    return Sides(
        reference=then.take(newest, compared),
        labels=reference.labels[newest],
        current=now.take(served.newest_per_user(), compared),
        windows=[*read_training_windows(inputs, compared), *tested],
        names=[*(inputs.metadata.features[column] for column in columns), SCORE],
    )


def compare(
    sides: Sides,
    earlier: Earlier,
    events: Mapping[str, str | None],
    changes: Sequence[VolumeChange],
    unsteady: Collection[str],
) -> Comparison:
    """`events` names the event of each feature, `changes` what happened to events.

    `unsteady` are events that ordinarily come and go; their features are measured, not judged.
    """
    users = len(sides.reference.users), len(sides.current.users)
    if min(users) < MINIMUM_USERS:
        return Comparison(too_few_users(*users))
    tested = ordinary_effects(sides.windows, sides.names)
    uneven = uneven_features(events, unsteady)
    thresholds = learn_thresholds(sides.names, tested, earlier, uneven)
    drift = measure_drift(sides.reference, sides.current, sides.names, thresholds)
    columns = [column for column in drift if column.name != SCORE]
    score = next(column for column in drift if column.name == SCORE)
    power = _powers(sides)
    verdict = judge_drift(columns, score, users, power=power, events=events, changes=changes)
    return Comparison(verdict, columns, power)


def _powers(sides: Sides) -> dict[str, float]:
    rows = slice(None, None, -(-len(sides.labels) // _RANKED_USERS))
    found = separating_power(sides.reference.values[rows, :-1], sides.labels[rows])
    return dict(zip(sides.names[:-1], found.tolist(), strict=True))
