"""The Bayesian view, against closed forms and draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tidemill_monitoring.experiments.second_opinion import conversion_opinion, normal_opinion


@pytest.mark.parametrize(("difference", "error"), [(0.1, 0.2), (-0.5, 0.3), (2.0, 0.1)])
def test_a_normal_opinion_is_the_conjugate_posterior(difference: float, error: float) -> None:
    """Precision-weighted mean; the loss by integration over the posterior."""
    found = normal_opinion(difference, error, 0.4)
    precision = 1 / 0.4**2 + 1 / error**2
    posterior = stats.norm(difference / error**2 / precision, precision**-0.5)
    loss = posterior.expect(lambda effect: max(0, -effect), lb=-5, ub=5, points=[0])
    assert found.probability_better == pytest.approx(posterior.sf(0))
    assert found.expected_gain == pytest.approx(posterior.mean())
    assert found.expected_loss == pytest.approx(loss, abs=1e-7)


@pytest.mark.parametrize(
    "arms", [((5, 100), (9, 110)), ((0, 20), (0, 40)), ((50_000, 10**6), (50_300, 10**6))]
)
def test_a_conversion_opinion_is_what_draws_say(
    arms: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """To the precision of 400,000 draws from both Beta posteriors."""
    rng, found = np.random.default_rng(4), conversion_opinion(*arms, (1, 1))
    control, treatment = (rng.beta(1 + hits, 1 + n - hits, 400_000) for hits, n in arms)
    loss = np.maximum(0, control - treatment)
    assert found.probability_better == pytest.approx((treatment > control).mean(), abs=0.004)
    assert found.expected_loss == pytest.approx(loss.mean(), abs=5 * loss.std() / 632)
    assert found.expected_gain == pytest.approx((treatment - control).mean(), rel=0.05, abs=2e-4)


def test_equal_arms_are_a_toss() -> None:
    """Nobody is better, and either choice may lose."""
    found = conversion_opinion((30, 600), (30, 600), (1, 1))
    assert found.probability_better == pytest.approx(0.5)
    assert found.expected_loss > 0
