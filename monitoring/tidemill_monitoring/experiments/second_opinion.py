"""A Bayesian second opinion: how probable is it that an arm is better, and what if it is not?

It answers in words that a frequentist interval may not use, and it is no licence to stop: only the
sequential test keeps its promise under daily looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr


@dataclass(frozen=True)
class Opinion:
    """On a treatment against the control."""

    probability_better: float
    expected_gain: float
    """Mean of the effect, in the metric's unit."""
    expected_loss: float
    """What choosing the treatment costs on average if it is worse: the mean of max(0, -effect), in
    the metric's unit."""


def normal_opinion(difference: float, standard_error: float, prior_deviation: float) -> Opinion:
    """Normal-normal, for any metric: effects are normal around zero with `prior_deviation`."""
    weight = prior_deviation**2 / (prior_deviation**2 + standard_error**2)
    mean, deviation = weight * difference, np.sqrt(weight) * standard_error
    better = float(ndtr(mean / deviation))
    density = np.exp(-0.5 * (mean / deviation) ** 2) / np.sqrt(2 * np.pi)
    return Opinion(better, mean, float(deviation * density - mean * (1 - better)))
