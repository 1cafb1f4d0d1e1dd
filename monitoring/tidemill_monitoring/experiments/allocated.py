"""Experiments whose shares move every day: each day is a randomised experiment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import duckdb
import numpy as np

from tidemill.errors import TidemillError
from tidemill.experiments.running import Experiment
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.measured import Measured, Period, measure_exposed
from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.readings import Reading, read_bandit
from tidemill_monitoring.experiments.sample_ratio import (
    MISMATCH_ALPHA,
    SampleRatio,
    multinomial_evidence,
)

_EPOCH = date(1970, 1, 1)


def day_shares(experiment: Experiment, days: range) -> Array:
    """[days, arms] the probabilities in force on each day (UTC, since 1970)."""
    shares = [
        [float(arm.share) for arm in experiment.arms_on(_EPOCH + timedelta(days=day))]
        for day in days
    ]
    return np.array(shares).reshape(len(days), len(experiment.arms))


def read_allocated(
    con: duckdb.DuckDBPyConnection,
    experiment: Experiment,
    measured: Measured,
    period: Period,
    plan: SequentialPlan,
) -> list[Reading]:
    """Readings of the metric that was measured last. Raises TidemillError for a ratio."""
    if measured.metric.is_ratio:
        raise TidemillError(
            f"the ratio '{measured.metric.name}' has no unbiased estimate under a bandit",
            hint="declare what stands above and below the line as two metrics",
        )
    days = measure_exposed(con, measured, period)
    shares = day_shares(experiment, period.days)[: len(days.units)]
    begun = np.flatnonzero(days.units.sum(axis=1).cumsum() > 0)
    return read_bandit(days.at(begun), shares[begun], plan)


def allocated_ratio(counts: Array, shares: Array, tuned_at: float) -> SampleRatio:
    """Judge units [days, arms] first answered on each day against that day's `shares`.

    The evidence of the days multiplies, and stays a martingale whatever the shares learnt.
    """
    expected = counts.sum(axis=1, keepdims=True) * shares
    evidence = _so_far(counts, shares, tuned_at)
    is_mismatch = bool((evidence >= -np.log(MISMATCH_ALPHA)).any())
    p_value = float(np.exp(-np.maximum(evidence.max(initial=0.0), 0.0)))
    return SampleRatio(counts.sum(axis=0), expected.sum(axis=0), p_value, is_mismatch)


def _so_far(counts: Array, shares: Array, tuned_at: float) -> Array:
    """[days] log evidence of all days up to each."""
    found: Sequence[float] = [
        float(multinomial_evidence(day, share, tuned_at, MISMATCH_ALPHA))
        for day, share in zip(counts, shares, strict=True)
    ]
    return np.cumsum(found)
