"""Raw values to model inputs, inside the graph."""

import numpy as np
import pytest
import torch

from tidemill_pipelines.models.preprocess import Preprocess


def run(fitted_on, values):
    """What one column's `values` become after fitting on the column `fitted_on`."""
    column = np.array(fitted_on, dtype=np.float32)[:, None]
    return Preprocess(column)(torch.tensor(values, dtype=torch.float32)[:, None])[:, 0].numpy()


def test_a_missing_value_counts_as_the_largest_seen():
    """A recency that does not exist means never: longer ago than for anybody."""
    ages = [1.0, 5.0, 90.0, np.nan]
    missing, largest = run(ages, [np.nan, 90.0])
    assert missing == largest


def test_inputs_are_standardised():
    """Mean 0 and spread 1 after the logarithm."""
    values = np.exp(np.random.default_rng(0).normal(2, 0.5, 500))
    result = run(values, values)
    assert result.mean() == pytest.approx(0, abs=1e-5)
    assert result.std() == pytest.approx(1, abs=1e-3)


def test_order_is_kept_below_zero_too():
    """The logarithm keeps the sign: a refund is less than nothing."""
    values = [-100.0, -1.0, 0.0, 1.0, 100.0]
    assert (np.diff(run(values, values)) > 0).all()


def test_a_constant_column_says_nothing():
    """Zero, whatever serving sends later."""
    assert run([3.0, 3.0, 3.0], [3.0, 1e9, np.nan]).tolist() == [0, 0, 0]


def test_a_column_never_seen_says_nothing():
    """All missing in training."""
    assert run([np.nan, np.nan], [np.nan, 7.0]).tolist() == [0, 0]


@pytest.mark.parametrize("value", [1e38, np.inf])
def test_one_outlier_cannot_decide(value):
    """Clipped at six standard deviations, on both sides."""
    assert run(np.linspace(0, 10, 100), [value, -value]).tolist() == [6, -6]


def test_a_few_missing_values_do_not_hide_the_others():
    """Only the missing cell is filled."""
    rows = np.array([[1, 2], [np.nan, 4], [3, 9]], dtype=np.float32)
    both = Preprocess(rows)(torch.from_numpy(rows))
    assert torch.equal(both[:, 1], Preprocess(rows[:, 1:])(torch.from_numpy(rows[:, 1:]))[:, 0])
