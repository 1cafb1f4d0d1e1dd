"""One function per concern: from what was read to a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from tidemill.errors import BundleError
from tidemill_monitoring import performance
from tidemill_monitoring.base_rate import judge_base_rate, usual_rate
from tidemill_monitoring.inputs import MonitorInputs
from tidemill_monitoring.populations import SCORE, Comparison, Sides, compare, read_sides
from tidemill_monitoring.quality import DeadFeatures, find_dead_features, judge_quality
from tidemill_monitoring.rebuild import rebuild_vectors, sample_pairs
from tidemill_monitoring.served import from_us
from tidemill_monitoring.skew import find_skew, judge_skew
from tidemill_monitoring.snapshots import choose_columns, try_to_draw
from tidemill_monitoring.values import ValueFault, find_value_faults
from tidemill_monitoring.verdicts import Concern, Verdict
from tidemill_monitoring.volumes import earlier_windows
from tidemill_monitoring.workspace import Shelf


def check_quality(inputs: MonitorInputs) -> Verdict:
    """Event volumes of the log, and features that died in the served vectors.

    Without the model's test rows events are judged alone, and the sentence says so.
    """
    unread = None
    try:
        dead, faults = _find_feature_faults(inputs)
    except BundleError as error:
        dead, faults, unread = DeadFeatures(), [], error.message
    cutoffs = inputs.metadata.training_cutoffs + inputs.metadata.test_cutoffs
    verdict = judge_quality(
        inputs.changes,
        dead,
        faults,
        earlier_windows=earlier_windows(inputs.daily_counts, inputs.window_days),
        event_names=len(inputs.daily_counts.names),
        trained_until=max(datetime.fromisoformat(cutoff) for cutoff in cutoffs),
        horizon=inputs.objective.target.within,
        target_event=inputs.objective.target.event,
    )
    if unread is None:
        return verdict
    sentence = f"{verdict.sentence} Features were not looked at: {unread}."
    return replace(verdict, sentence=sentence)


def _find_feature_faults(inputs: MonitorInputs) -> tuple[DeadFeatures, list[ValueFault]]:
    served, names = inputs.history.vectors, inputs.metadata.features
    before, now = inputs.reference.vectors, served.vectors[served.newest_per_user()]
    kept = inputs.steady
    faults = find_value_faults(before[:, kept], now[:, kept], [names[column] for column in kept])
    return find_dead_features(before, now, names), faults


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
    sides = read_sides(inputs)
    events = {feature.name: feature.event for feature in inputs.catalog.features}
    found = compare(sides, inputs.earlier, events, inputs.changes, inputs.unsteady)
    if not found.columns:
        return found.verdict
    notes = _draw(inputs, sides, found, folder)
    return replace(found.verdict, evidence={**found.verdict.evidence, "notes": notes})


def check_outcomes(inputs: MonitorInputs) -> tuple[Verdict, Verdict]:
    """Performance and base rate of the last answers whose outcomes are known."""
    closed = inputs.history.closed
    promised = None if closed is None else inputs.models.metadata(closed.version)
    if closed is None or promised is None:
        due, gone = inputs.first_outcome_at, inputs.history.gone_versions
        return (
            performance.outcomes_unknown(due, Concern.PERFORMANCE, gone),
            performance.outcomes_unknown(due, Concern.BASE_RATE, gone),
        )
    labels = inputs.happened
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
    trained_users = len(np.unique(test.users))
    usual = usual_rate(promised.base_rate, trained_users, inputs.earlier.apart)
    return (
        replace(judged, evidence={**judged.evidence, "cutoffs": cutoffs}),
        judge_base_rate(labels, closed.scores, usual),
    )


def _draw(inputs: MonitorInputs, sides: Sides, found: Comparison, folder: Path) -> list[str]:
    """What could not be drawn or kept: a page is no reason to lose a verdict."""
    shown = [*choose_columns(found.columns, found.power), SCORE]
    at = np.asarray([sides.names.index(name) for name in shown])
    everyone = slice(None)
    shelf = Shelf(inputs.home.evidently, inputs.objective.name, inputs.version, inputs.at)
    return try_to_draw(
        sides.reference.take(everyone, at), sides.current.take(everyone, at), shown, folder, shelf
    )
