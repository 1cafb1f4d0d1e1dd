"""The shares that a bandit's arms get next, from what each has shown so far."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from tidemill.experiments.running import Experiment
from tidemill_monitoring.experiments.bandit import thompson
from tidemill_monitoring.experiments.findings import Finding
from tidemill_monitoring.experiments.moments import Array

FLOOR = 0.15
"""Of all users, for trying every arm, in equal parts: what is not tried cannot be learnt."""
_CENTS = Decimal("0.0001")


def next_shares(experiment: Experiment, primary: Sequence[Finding]) -> tuple[Decimal, ...]:
    """[arms] each the probability that its arm is the best, none below its part of the floor; as
    declared until every arm has enough users with a value.

    Judged by the same unbiased estimates as the verdict: an arm that had many users on good days is
    no better for it.
    """
    if not primary[0].has_look:
        return tuple(arm.share for arm in experiment.arms)
    effects = [finding.reading.effect for finding in primary]
    found = [effects[0].control, *(effect.treatment for effect in effects)]
    sign = -1 if primary[0].metric.is_lower_better else 1
    means = sign * np.array([arm.value[-1] for arm in found])
    deviations = np.sqrt([arm.variance[-1] for arm in found])
    return _rounded(thompson(means, deviations, FLOOR / len(found)))


def _rounded(probabilities: Array) -> tuple[Decimal, ...]:
    """In hundredths of a percent that sum to 1: the largest takes what rounding leaves."""
    shares = [Decimal(str(each)).quantize(_CENTS) for each in probabilities.tolist()]
    shares[int(probabilities.argmax())] += 1 - sum(shares)
    return tuple(shares)
