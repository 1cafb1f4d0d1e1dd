"""One function per concern: from what was read to a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring import drift_verdict, performance
from tidemill_monitoring.base_rate import judge_base_rate
from tidemill_monitoring.drift import ColumnDrift, Population, measure_drift
from tidemill_monitoring.inputs import MonitorInputs
from tidemill_monitoring.quality import find_dead_features, judge_quality
from tidemill_monitoring.rebuild import rebuild_vectors, sample_pairs
from tidemill_monitoring.served import ClosedAnswers, from_us
from tidemill_monitoring.skew import find_skew, judge_skew
from tidemill_monitoring.snapshots import choose_columns, draw_snapshot
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Verdict
from tidemill_monitoring.volumes import earlier_windows

SCORE = "score"
"""The model's answer, compared like a feature."""


def check_quality(inputs: MonitorInputs) -> Verdict:
    """Event volumes of the log, and features that died in the served vectors."""
    served = inputs.history.vectors
    metadata = inputs.metadata
    dead = find_dead_features(
        inputs.reference.vectors, served.vectors[served.newest_per_user()], metadata.features
    )
    cutoffs = metadata.training_cutoffs + metadata.test_cutoffs
    return judge_quality(
        inputs.changes,
        dead,
        earlier_windows=earlier_windows(inputs.daily_counts, inputs.window_days),
        event_names=len(inputs.daily_counts.names),
        trained_until=max(datetime.fromisoformat(cutoff) for cutoff in cutoffs),
        horizon=inputs.objective.target.within,
        target_event=inputs.objective.target.event,
    )


def check_skew(inputs: MonitorInputs) -> Verdict:
    """Served vectors against their rebuild, and what the difference does to the scores."""
    served = inputs.history.vectors
    rows = sample_pairs(served)
    if not len(rows):
        return judge_skew([], 0, None)
    vectors, names = served.vectors[rows], inputs.metadata.features
    rebuilt = rebuild_vectors(
        inputs.con, inputs.catalog, names, served.users[rows], served.cutoffs[rows]
    )
    skewed = find_skew(vectors, rebuilt, names)
    difference = None
    if skewed:
        read, meant = (inputs.models.score(inputs.version, each) for each in (vectors, rebuilt))
        difference = float(np.abs(read - meant).max())
    return judge_skew(skewed, len(rows), difference)


def check_drift(inputs: MonitorInputs, folder: Path) -> Verdict:
    """The served population against the champion's test window; draws the Evidently page."""
    sides = _populations(inputs)
    users = len(sides.reference.users), len(sides.current.users)
    if min(users) < MINIMUM_USERS:
        return drift_verdict.too_few_users(*users)
    ordinary = drift_verdict.ordinary_effects(sides.windows, sides.names)
    drift = measure_drift(sides.reference, sides.current, sides.names, ordinary)
    powers = drift_verdict.separating_power(sides.reference.values[:, :-1], sides.labels)
    power = dict(zip(sides.names[:-1], powers.tolist(), strict=True))
    columns = [column for column in drift if column.name != SCORE]
    _draw(sides, columns, power, folder)
    return drift_verdict.judge_drift(
        columns,
        next(column for column in drift if column.name == SCORE),
        users,
        power=power,
        events={feature.name: feature.event for feature in inputs.catalog.features},
        changes=inputs.changes,
    )


def check_outcomes(inputs: MonitorInputs) -> tuple[Verdict, Verdict]:
    """Performance and base rate of the last answers whose outcomes are known."""
    closed = inputs.history.closed
    promised = None if closed is None else inputs.models.metadata(closed.version)
    if closed is None or promised is None:
        first = inputs.history.first_cutoff
        due = None if first is None else first + inputs.objective.target.within
        return (
            performance.outcomes_unknown(due, Concern.PERFORMANCE),
            performance.outcomes_unknown(due, Concern.BASE_RATE),
        )
    labels = _outcomes(inputs, closed)
    test = inputs.models.reference(closed.version, promised.features)
    promise = performance.Promise(
        model_version=closed.version,
        metrics=promised.metrics,
        grade_lift=promised.grade_lift,
        base_rate=promised.base_rate,
        users=test.users,
        scores=test.scores,
        labels=test.labels,
    )
    outcomes = performance.Outcomes(closed.scores, closed.grades, labels)
    judged = performance.judge_performance(outcomes, promise)
    cutoffs = [from_us(cutoff).isoformat() for cutoff in np.unique(closed.cutoffs)]
    return (
        replace(judged, evidence={**judged.evidence, "cutoffs": cutoffs}),
        judge_base_rate(labels, closed.scores, promised.base_rate),
    )


@dataclass(frozen=True)
class _Sides:
    """What drift compares. The last column of every population is the score."""

    reference: Population
    labels: NDArray[np.bool_]
    """Of the reference's users."""
    current: Population
    windows: list[Population]
    names: list[str]


def _populations(inputs: MonitorInputs) -> _Sides:
    served, reference, columns = inputs.history.vectors, inputs.reference, inputs.comparable
    compared = np.append(columns, len(inputs.metadata.features))
    now = _with_scores(served.users, served.vectors, served.scores)
    then = _with_scores(reference.users, reference.vectors, reference.scores)
    newest = reference.newest_per_user()
    cutoffs = np.unique(reference.cutoffs)
    return _Sides(
        reference=then.take(newest, compared),
        labels=reference.labels[newest],
        current=now.take(served.newest_per_user(), compared),
        windows=[then.take(np.flatnonzero(reference.cutoffs == c), compared) for c in cutoffs],
        names=[*(inputs.metadata.features[column] for column in columns), SCORE],
    )


def _with_scores(
    users: NDArray[np.str_], vectors: NDArray[np.float32], scores: NDArray[np.float64]
) -> Population:
    """The score as the last column."""
    return Population(users, np.column_stack([vectors, scores]).astype(np.float32))


def _draw(sides: _Sides, columns: list[ColumnDrift], power: dict[str, float], folder: Path) -> None:
    shown = [*choose_columns(columns, power), SCORE]
    at = np.asarray([sides.names.index(name) for name in shown])
    everyone = slice(None)
    draw_snapshot(
        sides.reference.take(everyone, at), sides.current.take(everyone, at), shown, folder
    )


def _outcomes(inputs: MonitorInputs, closed: ClosedAnswers) -> NDArray[np.bool_]:
    """What happened to each user after the cutoff of their answer."""
    from tidemill_features.labels import label_users  # duckdb

    labels = np.zeros(len(closed.users), dtype=np.bool_)
    for cutoff in np.unique(closed.cutoffs):
        rows = closed.cutoffs == cutoff
        users = closed.users[rows].tolist()
        labels[rows] = label_users(inputs.con, inputs.objective.target, from_us(cutoff), users)
    return labels
