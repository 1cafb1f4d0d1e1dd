"""The grouped bootstrap: the spread that resampling single users gives, at any number of them."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.evaluation import average_precision, roc_auc
from tidemill_monitoring.resampling import Resampled, resample

Sample = tuple[np.ndarray, np.ndarray]


def sample(users: int, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 6, users)
    return rng.random(users) < scores, scores


def drawn(labels: np.ndarray, scores: np.ndarray, **known: np.ndarray) -> Resampled:
    return resample(labels, scores, np.random.default_rng(1), **known)


@pytest.mark.parametrize("users", [300, 3_000])
def test_it_has_the_spread_of_the_plain_bootstrap(users: int) -> None:
    """Of AUC, average precision and the ratio; groups of three users as well as single ones."""
    labels, scores = sample(users)
    picks = np.random.default_rng(2).integers(0, users, (400, users))
    plain = {
        "auc": [roc_auc(labels[p], scores[p]) for p in picks],
        "average_precision": [average_precision(labels[p], scores[p]) for p in picks],
        "predicted_over_observed": [scores[p].sum() / labels[p].sum() for p in picks],
    }
    found = drawn(labels, scores)
    for name, draws in plain.items():
        assert getattr(found, name).std() == pytest.approx(np.std(draws), rel=0.15)
        assert getattr(found, name).mean() == pytest.approx(np.mean(draws), abs=np.std(draws) / 3)


def test_repeated_rows_of_the_same_users_add_no_certainty() -> None:
    """Four equal rows per user leave the spread; taken as users they would halve it."""
    labels, scores = sample(800)
    once = drawn(labels, scores).auc.std()
    four = [np.tile(side, 4) for side in (labels, scores)]
    users = np.tile(np.arange(800).astype(str), 4)
    assert drawn(*four, users=users).auc.std() == pytest.approx(once, rel=0.15)
    assert drawn(*four).auc.std() == pytest.approx(once / 2, rel=0.15)


def test_the_lift_of_a_grade_is_its_rate_over_that_of_everybody() -> None:
    """Draws lie around the observed lift."""
    labels, scores = sample(3_000)
    grades = np.where(scores > np.quantile(scores, 0.9), "A", "B")
    observed = labels[grades == "A"].mean() / labels.mean()
    assert drawn(labels, scores, grades=grades).lift["A"].mean() == pytest.approx(
        observed, rel=0.02
    )
