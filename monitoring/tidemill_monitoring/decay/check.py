"""From what was read to the verdicts on features, on segments, and on the estimate."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_features.user_slices import slice_users
from tidemill_monitoring.decay.estimate import ScoredUsers, backtest_of, judge_estimate
from tidemill_monitoring.decay.features import Origin, judge_decay
from tidemill_monitoring.decay.guarded import guarded_slices
from tidemill_monitoring.decay.known import KnownRows, sample_users
from tidemill_monitoring.decay.segments import Slices, judge_segments
from tidemill_monitoring.inputs import MonitorInputs
from tidemill_monitoring.performance import outcomes_unknown
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Verdict


def check_feature_decay(inputs: MonitorInputs) -> Verdict:
    """Features of the version whose outcomes are known, against its test window."""
    known = _known(inputs)
    if known is None:
        return _unknown(inputs, Concern.FEATURE_DECAY)
    then, now, features, version = known
    origins = {
        feature.name: Origin(feature.signal.name, feature.event)
        for feature in inputs.catalog.features
    }
    return judge_decay(then, now, features, origins, partial(inputs.models.score, version))


def check_segments(inputs: MonitorInputs) -> Verdict:
    """Slices by activity, by what the catalog counts, and by the properties that are guarded."""
    known = _known(inputs)
    if known is None:
        return _unknown(inputs, Concern.SEGMENTS)
    then, now, features, _ = known
    return judge_segments(
        then, now, _slices(inputs, then, features), _slices(inputs, now, features)
    )


def check_estimate(inputs: MonitorInputs) -> Verdict:
    """The live version's answers in the window, whose outcomes are not known yet."""
    served, reference = inputs.history.vectors, inputs.reference
    rows = served.newest_per_user()
    rows = rows[served.versions[rows] == inputs.version]
    return judge_estimate(
        ScoredUsers(reference.users, reference.scores),
        ScoredUsers(served.users[rows], served.scores[rows]),
        served.grades[rows],
        inputs.metadata.metrics.get("auc"),
        _backtest(inputs),
    )


def _known(inputs: MonitorInputs) -> tuple[KnownRows, KnownRows, tuple[str, ...], str] | None:
    """Test rows and newest known outcomes of a version, its features, itself; None before any."""
    closed = inputs.history.closed
    metadata = None if closed is None else inputs.models.metadata(closed.version)
    if closed is None or metadata is None:
        return None
    test = inputs.models.reference(closed.version, metadata.features)
    then = KnownRows(test.users, test.cutoffs, test.vectors, test.scores, test.labels)
    now = KnownRows(closed.users, closed.cutoffs, closed.vectors, closed.scores, inputs.happened)
    return (*sample_users(then, now), metadata.features, closed.version)


def _unknown(inputs: MonitorInputs, concern: Concern) -> Verdict:
    return outcomes_unknown(inputs.first_outcome_at, concern, inputs.history.gone_versions)


def _slices(inputs: MonitorInputs, rows: KnownRows, features: tuple[str, ...]) -> Slices:
    guard = inputs.objective.spec.monitoring.retrain.guard
    found: dict[str, NDArray[np.bool_]] = {
        each.name: each.members
        for each in slice_users(inputs.catalog, features, rows.vectors)
        if each.attribute not in guard
    }
    return found | guarded_slices(inputs.con, guard, rows)


def _backtest(inputs: MonitorInputs) -> dict[str, Any] | None:
    """What the estimate would have said of answers whose outcomes are known; None for too few."""
    closed = inputs.history.closed
    if closed is None or len(closed.users) < MINIMUM_USERS:
        return None
    return backtest_of(closed.scores, closed.grades, inputs.happened)
