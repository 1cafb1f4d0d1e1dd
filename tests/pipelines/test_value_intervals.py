"""Between which values a customer's will lie."""

import numpy as np
import pytest
import torch

from tidemill_pipelines.valuing.intervals import (
    COVERAGE,
    BandReader,
    fit_bands,
    measured_coverage,
)


def customers(count, seed=0):
    """Predictions, and values of which most are nothing and some are large."""
    rng = np.random.default_rng(seed)
    predicted = rng.gamma(0.7, 30.0, count)
    return predicted, predicted * 2.5 * rng.gamma(0.5, 2.0, count) * (rng.random(count) < 0.4)


def bounds(bands, predicted):
    lower, upper = BandReader(bands)(torch.tensor(predicted, dtype=torch.float64))
    return lower.numpy(), upper.numpy()


@pytest.mark.parametrize("count", [300, 5000])
def test_new_customers_lie_inside_as_often_as_was_meant(count):
    """Whatever the shape of their values; more often where most buy nothing."""
    bands = fit_bands(*customers(count))
    predicted, observed = customers(20_000, seed=1)
    lower, upper = bounds(bands, predicted)
    inside = ((lower <= observed) & (observed <= upper)).mean()
    assert inside > COVERAGE - 0.03


def test_coverage_is_measured_on_others():
    """Each half of the users by the bands of the other."""
    assert COVERAGE - 0.02 < measured_coverage(*customers(5000)) < 1


def test_a_prediction_lies_between_its_bounds():
    """Also far beyond the largest that was seen, where the interval grows with it."""
    bands = fit_bands(*customers(2000))
    predicted = np.array([0.0, 1e-6, 5.0, 1e3, 1e6])
    lower, upper = bounds(bands, predicted)
    assert ((lower <= predicted) & (predicted <= upper)).all()
    assert upper[-1] > 1e6


def test_bounds_grow_with_the_prediction():
    """A higher prediction never has a lower upper bound."""
    bands = fit_bands(*customers(2000))
    lower, upper = bounds(bands, np.linspace(0, 200, 50))
    assert (np.diff(lower) >= -1e-9).all()
    assert (np.diff(upper) >= -1e-9).all()


def test_few_customers_have_the_widest_interval():
    """Of ten, the bounds are the outermost."""
    bands = fit_bands(np.arange(1.0, 11.0), np.arange(10.0))
    assert (bands.lower[0], bands.upper[0]) == (0.0, 9.0)
