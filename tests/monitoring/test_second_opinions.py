"""The Bayesian view, against closed forms."""

from __future__ import annotations

import pytest
from scipy import stats

from tidemill_monitoring.experiments.second_opinion import normal_opinion


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


def test_equal_arms_are_a_toss() -> None:
    """Nobody is better, and either choice may lose."""
    found = normal_opinion(0.0, 0.2, 0.4)
    assert found.probability_better == pytest.approx(0.5)
    assert found.expected_loss > 0
