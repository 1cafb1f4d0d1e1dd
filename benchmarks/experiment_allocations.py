"""Who is in which arm: alarms of the sample ratio, true and false; what bandits leave to learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import chdtri

from tidemill_monitoring.experiments.bandit import allocate, inverse_propensity
from tidemill_monitoring.experiments.effects import fixed_horizon
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.readings import read_bandit
from tidemill_monitoring.experiments.sample_ratio import MISMATCH_ALPHA, mismatches

USERS = 20_000
"""Of the experiments whose sample ratio is judged."""
SPLITS_AT_ONCE = 50_000
DAYS, A_DAY, FLOOR = 28, 600, 0.05
"""Of a bandit."""


def sample_ratios(
    rng: np.random.Generator, declared: Array, true: Array, days: int, count: int
) -> dict[str, Any]:
    """Shares of experiments with an alarm: by our daily looks, and by chi-square."""
    alarms = [
        _alarms(rng, declared, true, days, SPLITS_AT_ONCE)
        for _ in range(-(-count // SPLITS_AT_ONCE))
    ]
    daily, single, naive = np.mean(alarms, axis=0)
    return {
        "declared": " / ".join(f"{share:.0%}" for share in declared),
        "true": " / ".join(f"{share:.0%}" for share in true),
        "days": days,
        "daily": float(daily),
        "single look": float(single),
        "naive": float(naive),
    }


def _alarms(
    rng: np.random.Generator, declared: Array, true: Array, days: int, count: int
) -> tuple[float, float, float]:
    total = np.round(USERS / days * np.arange(1, days + 1)).astype(np.int64)
    drawn = rng.multinomial(np.diff(total, prepend=0), true, (count, days))
    counts = drawn.cumsum(axis=1) * 1.0
    ours = mismatches(counts, declared, USERS)
    expected = total[:, None] * declared
    pearson = ((counts - expected) ** 2 / expected).sum(axis=-1)
    naive = pearson >= chdtri(len(declared) - 1, MISMATCH_ALPHA)
    return ours.any(axis=1).mean(), naive[:, -1].mean(), naive.any(axis=1).mean()


def all_sample_ratios(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    even, holdout, four = np.array([0.5, 0.5]), np.array([0.05, 0.95]), np.full(4, 0.25)
    skewed = np.array([0.52, 0.48])
    lost = np.array([0.23, 0.77 / 3, 0.77 / 3, 0.77 / 3])
    found = []
    for days in (7, 14, 28):
        for declared, true in ((even, even), (even, skewed)):
            found.append(sample_ratios(rng, declared, true, days, count))
    for declared, true in ((holdout, holdout), (four, four), (four, lost)):
        found.append(sample_ratios(rng, declared, true, 14, count))
    return found


def bandits(rng: np.random.Generator, rates: Array, count: int) -> dict[str, Any]:
    """Thompson allocation for four weeks, and what can be said of its first arm afterwards."""
    truth, half = rates[0], fixed_horizon(0.05)
    found = []
    for _ in range(count):
        days, propensities = _one_bandit(rng, rates)
        arm, units = inverse_propensity(days, propensities)[0], days.units.sum(axis=0)
        plain = days.sums[:, 0, 0].sum() / units[0]
        plain_error = np.sqrt(plain * (1 - plain) / units[0])
        last = read_bandit(days, propensities, SequentialPlan(DAYS * A_DAY))[-1]
        error = arm.value[-1] - truth
        found.append(
            (
                error / truth,
                abs(error) <= half * np.sqrt(arm.variance[-1]),
                plain / truth - 1,
                abs(plain - truth) <= half * plain_error,
                last.decided_on is not None,
                units[rates.argmax()] / units.sum(),
            )
        )
    names = ("bias", "coverage", "plain bias", "plain coverage", "told apart", "share of the best")
    means = np.mean(found, axis=0).tolist()
    rates_shown = " / ".join(f"{rate:.0%}" for rate in rates)
    return {"rates": rates_shown, **dict(zip(names, means, strict=True))}


def _one_bandit(rng: np.random.Generator, rates: Array) -> tuple[Moments, Array]:
    """Moments [days, arms] and the probabilities they were drawn with."""
    propensities, units, hits = [], np.zeros((DAYS, len(rates))), np.zeros((DAYS, len(rates)))
    for day in range(DAYS):
        so_far = zip(units[:day].sum(axis=0), hits[:day].sum(axis=0), strict=True)
        arms = [_of_conversions(exposed, converted) for exposed, converted in so_far]
        propensities.append(allocate(arms, FLOOR))
        units[day] = rng.multinomial(A_DAY, propensities[-1])
        hits[day] = rng.binomial(units[day].astype(np.int64), rates)
    return _of_conversions(units, hits), np.array(propensities)


def _of_conversions(units: Array, hits: Array) -> Moments:
    return Moments(units, hits, hits[..., None], hits[..., None, None], hits)
