"""p-values of several hypotheses, as statsmodels adjusts them."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.multiplicity import benjamini_hochberg, holm

SETS = [
    np.array([0.04]),
    np.array([0.01, 0.04, 0.03, 0.005, 0.8]),
    np.array([0.02, 0.02, 0.02]),
    np.array([0.9, 1.0, 0.7]),
]


@pytest.mark.parametrize("p_values", SETS)
def test_holm_is_statsmodels(p_values: Array) -> None:
    """In the order given, ties and ones included."""
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize("p_values", SETS)
def test_benjamini_hochberg_is_statsmodels(p_values: Array) -> None:
    """In the order given, ties and ones included."""
    expected = multipletests(p_values, method="fdr_bh")[1]
    assert benjamini_hochberg(p_values) == pytest.approx(expected)


def test_holm_rarely_errs_even_once() -> None:
    """Ten metrics without an effect: one of them is found in at most 5% of experiments."""
    p_values = np.random.default_rng(1).random((4000, 10))
    assert np.mean([(holm(row) < 0.05).any() for row in p_values]) <= 0.06
