"""A Bayesian second opinion: how probable is it that an arm is better, and what if it is not?

It answers in words that a frequentist interval may not use, and it is no licence to stop: only the
sequential test keeps its promise under daily looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaincinv, gammaln, ndtr, xlog1py, xlogy

from tidemill_monitoring.experiments.moments import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(400)
_TAIL = 1e-12


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


def conversion_opinion(
    control: tuple[float, float], treatment: tuple[float, float], prior: tuple[float, float]
) -> Opinion:
    """Beta-binomial: (conversions, units) of both arms, and the `prior`'s two shape parameters."""
    c, t = (
        (prior[0] + conversions, prior[1] + units - conversions)
        for conversions, units in (control, treatment)
    )
    means = [shape[0] / sum(shape) for shape in (c, t)]
    # E[p; p is the greater] is the mean times the same probability with one more success.
    control_wins = means[0] * _exceeds((c[0] + 1, c[1]), t)
    treatment_loses = means[1] * (1 - _exceeds((t[0] + 1, t[1]), c))
    loss = max(0.0, control_wins - treatment_loses)
    return Opinion(_exceeds(t, c), means[1] - means[0], loss)


def _exceeds(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Probability that a Beta variable is greater than another one, by quadrature."""
    low, high = (float(betaincinv(*first, tail)) for tail in (_TAIL, 1 - _TAIL))
    places = low + (high - low) * (_NODES + 1) / 2
    density = _beta_density(places, *first)
    below = betainc(*second, places)
    return float((density * below) @ _WEIGHTS * (high - low) / 2)


def _beta_density(places: Array, a: float, b: float) -> Array:
    constant = gammaln(a + b) - gammaln(a) - gammaln(b)
    density: Array = np.exp(constant + xlogy(a - 1, places) + xlog1py(b - 1, -places))
    return density
