"""Looks at any time and without end: an asymptotic confidence sequence.

Robbins' normal mixture (1970) under a central limit theorem that holds for all sample sizes at
once: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, "Time-uniform central limit theory and
asymptotic confidence sequences". The same boundary as that of the mSPRT (Johari, Koomen, Pekelis
and Walsh 2022, "Always Valid Inference"). The mixture's variance is tuned to be narrowest at a
chosen size; it costs about half as much again in width there, and holds for ever.
"""

from __future__ import annotations

import numpy as np

from tidemill_monitoring.experiments.moments import Array


def mixture_variance(tuned_at: float, alpha: float) -> float:
    """rho^2 that makes the interval narrowest at units `tuned_at`, by their closed form."""
    level = -2 * np.log(alpha)
    return float((level + np.log(level + 1)) / tuned_at)


def mixture_critical_values(units: Array, tuned_at: float, alpha: float) -> Array:
    """Critical values of |z| at `units` [...], two-sided, at all of them at once."""
    ratio = units * mixture_variance(tuned_at, alpha)
    critical: Array = np.sqrt((1 + 1 / ratio) * (np.log1p(ratio) - 2 * np.log(alpha)))
    return critical


def mixture_p_values(statistics: Array, units: Array, tuned_at: float, alpha: float) -> Array:
    """[...] the level at which each look would have crossed the boundary tuned for `alpha`."""
    ratio = units * mixture_variance(tuned_at, alpha)
    evidence = 0.5 * statistics**2 * ratio / (1 + ratio) - 0.5 * np.log1p(ratio)
    return np.exp(-np.maximum(evidence, 0))
