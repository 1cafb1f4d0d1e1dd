"""Whether one model is better than another, and how sure one can be."""

import numpy as np
import pytest

from tidemill.evaluation import paired_bootstrap


def world(seed, users=300, gain=0.0):
    """Labels, two models that know the truth up to noise of their own, and the user of each row.

    With `gain` the first model is less noisy than the second.
    """
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=users)
    labels = rng.random(users) < 1 / (1 + np.exp(1.5 - truth))
    noise = rng.normal(size=(2, users))
    names = np.array([f"u{n}" for n in range(users)])
    return labels, truth + (1 - gain) * noise[0], truth + noise[1], names


def test_equally_good_models_are_rarely_told_apart():
    """A lower bound above zero is wrong one time in twenty: 3 of 60 expected, 8 are too many."""
    found = [paired_bootstrap(*world(seed), draws=100, seed=seed).lower > 0 for seed in range(60)]
    assert sum(found) <= 8


def test_a_better_model_is_found():
    """Most of the noise gone, on 1,000 users."""
    found = [paired_bootstrap(*world(s, 1000, 0.7), draws=100).lower > 0 for s in range(10)]
    assert sum(found) >= 9


def test_a_model_does_not_beat_itself():
    """No difference in any draw."""
    labels, scores, _, users = world(0)
    assert paired_bootstrap(labels, scores, scores * 2, users).upper == 0


def test_the_difference_is_the_one_on_the_data():
    """And lies between its bounds."""
    found = paired_bootstrap(*world(1, gain=0.3))
    assert found.lower < found.difference < found.upper


def test_copies_of_a_user_are_no_evidence():
    """Ten copies of every row say no more than one, and the interval must not shrink."""
    labels, first, second, users = world(2)
    once = paired_bootstrap(labels, first, second, users)
    copied = [np.repeat(column, 10) for column in (labels, first, second)]
    by_user = paired_bootstrap(*copied, np.repeat(users, 10))
    by_row = paired_bootstrap(*copied, np.arange(len(copied[0])).astype(str))
    width = {name: d.upper - d.lower for name, d in (("once", once), ("user", by_user))}
    assert width["user"] == pytest.approx(width["once"], rel=1e-9)
    assert by_row.upper - by_row.lower < width["user"] / 2


def test_a_seed_repeats_the_answer():
    """So that the gate's decision can be checked later."""
    assert paired_bootstrap(*world(3), seed=7) == paired_bootstrap(*world(3), seed=7)
    assert paired_bootstrap(*world(3), seed=7) != paired_bootstrap(*world(3), seed=8)


def test_draws_without_a_positive_are_left_out():
    """With one positive user a third of the draws have none; the rest still tell."""
    labels = np.zeros(40, dtype=bool)
    labels[0] = True
    good = labels.astype(float)
    found = paired_bootstrap(labels, good, -good, np.arange(40).astype(str))
    assert (found.lower, found.difference) == (1.0, 1.0)
