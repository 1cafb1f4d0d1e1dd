"""Metrics against scikit-learn, and against values worked out by hand."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from tidemill.evaluation import (
    average_precision,
    calibration_curve,
    expected_calibration_error,
    grade_outcomes,
    roc_auc,
)


@pytest.fixture(params=range(5))
def sample(request):
    """300 labels and scores rounded so far that most of them are tied."""
    rng = np.random.default_rng(request.param)
    labels = rng.random(300) < 0.2
    return labels, np.round(rng.random(300) + 0.3 * labels, 1)


def test_auc_counts_a_tie_as_half():
    """One positive above, one tied with, one below the only negative: 1.5 of 3."""
    labels = np.array([True, True, True, False])
    assert roc_auc(labels, np.array([3.0, 2.0, 1.0, 2.0])) == 0.5


def test_auc_equals_sklearn(sample):
    """Ties included."""
    assert roc_auc(*sample) == pytest.approx(sklearn.roc_auc_score(*sample), abs=1e-12)


def test_weighted_auc_equals_sklearn(sample):
    """Weights count each row that often; zero leaves it out."""
    weights = np.random.default_rng(9).integers(0, 4, 300).astype(float)
    expected = sklearn.roc_auc_score(*sample, sample_weight=weights)
    assert roc_auc(*sample, weights) == pytest.approx(expected, abs=1e-12)


def test_average_precision_equals_sklearn(sample):
    """Ties are one step, in whatever order the rows come."""
    expected = sklearn.average_precision_score(*sample)
    assert average_precision(*sample) == pytest.approx(expected, abs=1e-12)
    assert average_precision(sample[0][::-1], sample[1][::-1]) == pytest.approx(expected)


def test_nothing_to_rank_is_nan():
    """Without both classes there is no AUC, without positives no precision."""
    one = np.ones(3, dtype=bool)
    for labels in (one, ~one, one[:0]):
        assert np.isnan(roc_auc(labels, np.zeros(len(labels))))
    assert np.isnan(average_precision(~one, np.zeros(3)))


def test_calibration_bins_hold_equally_many():
    """Four rows in two bins, lowest scores first."""
    curve = calibration_curve(np.array([1, 0, 1, 0]) > 0, np.array([0.9, 0.1, 0.5, 0.3]), 2)
    facts = [(b.rows, b.predicted, b.observed) for b in curve]
    assert facts == [(2, pytest.approx(0.2), 0.0), (2, pytest.approx(0.7), 1.0)]


def test_calibration_error_is_the_mean_distance():
    """The two bins above miss by 0.2 and by 0.3."""
    labels, scores = np.array([1, 0, 1, 0]) > 0, np.array([0.9, 0.1, 0.5, 0.3])
    assert expected_calibration_error(labels, scores, 2) == pytest.approx(0.25)


def test_true_probabilities_are_calibrated():
    """Labels drawn from the scores themselves leave only noise, twice the scores do not."""
    rng = np.random.default_rng(0)
    scores = rng.random(20_000) / 2
    labels = rng.random(20_000) < scores
    assert expected_calibration_error(labels, scores) < 0.01
    assert expected_calibration_error(labels, 2 * scores) > 0.2


def test_lift_is_the_rate_over_everybodys():
    """Half of A and none of D convert, a quarter of all."""
    labels = np.array([True, False, False, False])
    best, worst = grade_outcomes(labels, ["A", "A", "D", "D"])
    assert (best.grade, best.users, best.rate, best.lift) == ("A", 2, 0.5, 2.0)
    assert (worst.grade, worst.rate, worst.lift) == ("D", 0.0, 0.0)
