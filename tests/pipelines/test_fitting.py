"""The model finds a truth that is known, and no more than the data can carry."""

import numpy as np
import pytest
import torch

from tidemill.evaluation import expected_calibration_error, roc_auc
from tidemill_pipelines.models.fit import TrainingSet, choose, fit
from tidemill_pipelines.models.wide_deep import fit_deep, score

DAY = 86_400_000_000


def draw(logit, rows, seed=0, windows=4):
    """`rows` standard normal rows of 4 features in equal windows, labels from `logit(rows)`."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 4)).astype(np.float32)
    labels = rng.random(rows) < 1 / (1 + np.exp(-logit(values)))
    cutoffs = np.repeat(np.arange(windows) * 10 * DAY, rows // windows)
    return TrainingSet(values, labels, cutoffs, 10 * DAY)


def linear(values):
    return 1.5 * values[:, 0] - values[:, 1] - 1


def crossed(values):
    """No feature tells anything by itself."""
    return 3 * np.sign(values[:, 0] * values[:, 1])


@pytest.fixture(scope="module")
def learned():
    return fit(draw(linear, 2000), seed=0)


def test_a_linear_truth_is_learned(learned):
    """Ranking within 0.01 AUC of the true probabilities, on people never seen."""
    fresh = draw(linear, 4000, seed=1)
    best = roc_auc(fresh.labels, linear(fresh.rows))
    assert roc_auc(fresh.labels, score(learned[0], fresh.rows)) > best - 0.01


def test_scores_are_calibrated(learned):
    """A score of 0.3 happens three times in ten."""
    fresh = draw(linear, 4000, seed=1)
    assert expected_calibration_error(fresh.labels, score(learned[0], fresh.rows)) < 0.03


def test_the_linear_part_alone_is_kept_where_it_is_enough(learned):
    """Networks are taken in only where they are better beyond doubt."""
    assert learned[1].deep_share == 0
    assert len(learned[0].deep) == 0


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_a_lucky_network_is_not_taken_in(seed):
    """With little truth and few rows some blend has the smallest loss, but within its error."""
    weak = draw(lambda values: 0.3 * values[:, 0] - 2, 400, seed)
    assert choose(weak, seed=0).deep_share == 0


def test_networks_are_taken_in_where_they_are_better():
    """A crossed truth is nothing to a line."""
    model, choice = fit(draw(crossed, 6000, windows=3), seed=0)
    fresh = draw(crossed, 2000, seed=1)
    assert choice.deep_share > 0
    assert roc_auc(fresh.labels, score(model, fresh.rows)) > 0.7


def test_a_seed_repeats_the_model():
    """Bit for bit; another seed gives other networks."""
    training = draw(crossed, 2000)
    rows = torch.from_numpy(training.rows), torch.from_numpy(training.labels.astype(np.float32))
    first, again, other = (fit_deep(*rows, seed=seed)(rows[0]) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_fitting_twice_gives_the_same_scores(learned):
    """The whole of it, selection included."""
    again, choice = fit(draw(linear, 2000), seed=0)
    rows = draw(linear, 100, seed=2).rows
    assert choice == learned[1]
    assert score(again, rows).tolist() == score(learned[0], rows).tolist()


def test_validation_never_trains_on_outcomes_it_would_not_know():
    """Windows that had not closed at the held-out cutoff are left out; here, all of them."""
    training = draw(linear, 400)
    open_windows = TrainingSet(training.rows, training.labels, training.cutoffs, 31 * DAY)
    assert choose(open_windows, seed=0).validation_log_loss is None
    assert choose(training, seed=0).validation_log_loss is not None


def test_a_single_window_takes_the_defaults():
    """There is nothing to choose by."""
    model, choice = fit(draw(linear, 300, windows=1), seed=0)
    assert (choice.penalty, choice.deep_share) == (0.1, 0.0)
    assert np.isfinite(score(model, draw(linear, 10, seed=1).rows)).all()
