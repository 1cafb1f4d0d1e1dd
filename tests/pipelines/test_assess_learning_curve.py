"""The learning curve is measured on nested users, and carried on between two laws."""

import numpy as np
import pytest

from tidemill_pipelines.assessing.learning_curve import Curve, extrapolate, measure
from tidemill_pipelines.assessing.linear import fit_linear, linear_scores, model_inputs
from tidemill_pipelines.dataset import Rows

USERS = np.geomspace(100, 800, 6)


def rows_of(users, seed, pull=1.0, columns=20):
    """Labels that go with the first two columns."""
    rng = np.random.default_rng(seed)
    vectors = rng.gamma(1, 2, (users, columns)).astype(np.float32)
    odds = pull * (np.log1p(vectors[:, 0]) - np.log1p(vectors[:, 1])) * 2
    labels = rng.random(users) < 1 / (1 + np.exp(-odds))
    names = np.array([f"u{n}" for n in range(users)])
    features = tuple(f"f{n}" for n in range(columns))
    return Rows(names, np.zeros(users, np.int64), labels, vectors, features)


def curve_of(law):
    return Curve(USERS, np.tile(law(USERS), (5, 1)))


def measured(train, test):
    return measure(train, test, *model_inputs(train.vectors, test.vectors), seed=0)


def test_a_power_law_is_carried_on_exactly():
    """What doubling adds to a - b / sqrt(n) is known."""
    gain = extrapolate(curve_of(lambda n: 0.8 - n**-0.5))
    truth = 800**-0.5 - 1600**-0.5
    assert gain.expected == pytest.approx(truth, abs=2e-4)
    assert gain.lower <= truth <= gain.upper


def test_a_logarithm_is_the_upper_end():
    """It has no ceiling."""
    gain = extrapolate(curve_of(lambda n: 0.6 + 0.02 * np.log(n)))
    assert gain.upper == pytest.approx(0.02 * np.log(2), abs=2e-4)
    assert gain.expected <= gain.upper


def test_a_flat_curve_promises_nothing():
    """Nor does one that falls by chance."""
    for law in (lambda n: 0 * n + 0.7, lambda n: 0.7 - n * 1e-5):
        assert extrapolate(curve_of(law)).expected == pytest.approx(0, abs=1e-9)


def test_seeds_that_disagree_widen_the_band():
    """One curve is one draw of users."""
    base = 0.8 - USERS**-0.5
    noise = np.random.default_rng(0).normal(0, 0.01, (5, 6))
    wide = extrapolate(Curve(USERS, base + noise))
    narrow = extrapolate(Curve(USERS, np.tile(base, (5, 1))))
    assert wide.upper - wide.lower > narrow.upper - narrow.lower


def test_more_users_help_until_they_do_not():
    """Sizes grow, and so does the AUC."""
    curve = measured(rows_of(800, 0), rows_of(2_000, 1))
    assert np.all(np.diff(curve.users) > 0)
    assert curve.users[-1] == 800
    assert curve.auc.mean(axis=0)[-1] > curve.auc.mean(axis=0)[0]


def test_too_few_outcomes_draw_no_curve():
    """Half of thirty positives are noise."""
    train = rows_of(400, 0)
    train.labels[:] = np.arange(400) < 30
    assert measured(train, rows_of(400, 1)) is None


def test_columns_may_be_missing_or_constant():
    """A column without any value, and one that never changes, are left out."""
    train, test = rows_of(300, 0), rows_of(300, 1)
    train.vectors[:, 2], train.vectors[:, 3] = np.nan, 7
    inputs, test_inputs = model_inputs(train.vectors, test.vectors)
    assert inputs.shape[1] == test_inputs.shape[1] == 18
    assert np.isfinite(test_inputs).all()


def test_the_cheap_model_is_the_linear_part_of_the_real_one():
    """Same preprocessing, same penalty, same optimum."""
    from torch import from_numpy, sigmoid

    from tidemill_pipelines.models.preprocess import Preprocess
    from tidemill_pipelines.models.wide_deep import fit_wide

    rows = rows_of(500, 0)
    (inputs,) = model_inputs(rows.vectors)
    ours = linear_scores(inputs, fit_linear(inputs, rows.labels))
    shown = Preprocess(rows.vectors)(from_numpy(rows.vectors))
    theirs = fit_wide(shown, from_numpy(rows.labels.astype(np.float32)), 0.1)(shown)
    chance = sigmoid(theirs).squeeze(-1).detach().numpy()
    assert np.abs(1 / (1 + np.exp(-ours)) - chance).max() < 1e-3
