"""Large populations are looked at in part, and the rarer class is not lost on the way."""

import numpy as np
import pytest

from tidemill_pipelines.assessing.gathering import MOST_ROWS, choose_rows


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_few_rows_are_all_taken(rng):
    """In their order."""
    assert choose_rows(np.arange(50) < 3, rng).tolist() == list(range(50))


def test_rare_outcomes_are_kept(rng):
    """Two in a thousand would leave twenty of ten thousand rows."""
    labels = rng.random(300_000) < 0.002
    chosen = choose_rows(labels, rng)
    assert len(chosen) == len(np.unique(chosen)) == MOST_ROWS
    assert labels[chosen].sum() == min(1_000, labels.sum())


def test_common_outcomes_keep_their_share(rng):
    """Nothing is compared with a population that it does not resemble."""
    labels = rng.random(100_000) < 0.7
    assert labels[choose_rows(labels, rng)].mean() == pytest.approx(0.7, abs=0.02)


def test_unlabelled_rows_are_drawn_by_chance(rng):
    """Those of now: all have the same label."""
    chosen = choose_rows(np.zeros(40_000, dtype=np.bool_), rng)
    assert len(chosen) == MOST_ROWS
    assert abs(chosen.mean() - 20_000) < 500
