"""Sample-ratio mismatch: are the arms as large, relative to each other, as was declared?

If not, something loses units of one arm, and no effect can be believed. Nearly all of alpha is kept
for the end of the plan (`spending.late`), where the test is as strong as a single chi-square test.
The rest goes to the sequential multinomial test of Lindon and Malek 2022, "Anytime-Valid Inference
for Multinomial Count Data", which may look at any time and without end, and finds gross mismatches
early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaln

from tidemill_monitoring.experiments.looks import distinct_looks
from tidemill_monitoring.experiments.mixture import mixture_variance
from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.spending import critical_values, late

MISMATCH_ALPHA = 0.001
_PLANNED_SHARE = 0.94


@dataclass(frozen=True)
class SampleRatio:
    """Arms as they are beside what was declared."""

    counts: Array
    """[arms] units."""
    expected: Array
    """[arms] units, had the declared shares held exactly."""
    p_value: float
    """Of Pearson's chi-square test of the newest look, had it been the only one."""
    is_mismatch: bool
    """At some look so far; false at most once in a thousand sound experiments."""


def sample_ratio(
    counts: Array, shares: Array, planned_units: float, *, ends: bool = True
) -> SampleRatio:
    """Judge cumulative `counts` [looks, arms] of all arms against the declared `shares` [arms].

    `planned_units` are those of all arms together; for what has no end, the size at which a small
    mismatch should be found.
    """
    newest = counts[-1]
    expected = newest.sum() * shares
    pearson = float(((newest - expected) ** 2 / np.maximum(expected, 1e-9)).sum())
    return SampleRatio(
        newest,
        expected,
        float(chdtrc(len(shares) - 1, pearson)),
        bool(mismatches(counts, shares, planned_units, ends=ends).any()),
    )


def mismatches(
    counts: Array, shares: Array, planned_units: float, *, ends: bool = True
) -> NDArray[np.bool_]:
    """[..., looks] alarms for cumulative counts [..., looks, arms].

    Leading dimensions are experiments with the same number of units at each look.
    """
    always = (1 - _PLANNED_SHARE if ends else 1) * MISMATCH_ALPHA
    evidence = multinomial_evidence(counts, shares, planned_units, always)
    alarms: NDArray[np.bool_] = evidence >= -np.log(always)
    if not ends:
        return alarms
    units = counts.reshape(-1, *counts.shape[-2:])[0].sum(axis=-1)
    spread = np.sqrt(np.maximum(units, 1)[:, None] * shares * (1 - shares))
    deviations = (counts - units[:, None] * shares) / spread
    boundaries = _boundaries(units / planned_units, len(shares))
    alarms |= (np.abs(deviations) >= boundaries[:, None]).any(axis=-1)
    return alarms


def multinomial_evidence(counts: Array, shares: Array, tuned_at: float, alpha: float) -> Array:
    """[...] log Bayes factor of counts [..., arms] against `shares`, with a Dirichlet prior around.

    Its exponential is a martingale while the shares hold, so it ever exceeds 1 / alpha with a
    probability of at most alpha (Ville). The prior is the one of a normal mixture tuned at as many
    units.
    """
    prior = shares / mixture_variance(tuned_at, alpha)
    total = prior.sum()
    units = counts.sum(axis=-1)
    grown = gammaln(prior + counts).sum(axis=-1) - gammaln(total + units)
    at_first = gammaln(prior).sum() - gammaln(total)
    evidence: Array = grown - at_first - (counts * np.log(shares)).sum(axis=-1)
    return evidence


def _boundaries(shares: Array, arms: int) -> Array:
    """[looks] of an arm's standardised deviation at `shares` of the plan; two deviate together."""
    tests = 1 if arms == 2 else arms
    looks = distinct_looks(shares)
    found = np.full(len(shares), np.inf)
    alpha = _PLANNED_SHARE * MISMATCH_ALPHA / tests
    found[looks] = critical_values(shares[looks].tolist(), alpha, late)
    return found
