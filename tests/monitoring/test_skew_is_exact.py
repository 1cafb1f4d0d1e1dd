"""Served and rebuilt vectors must be the same bits, or skew is called by name."""

from __future__ import annotations

import numpy as np

from tidemill_monitoring.rebuild import rebuild_vectors, sample_pairs
from tidemill_monitoring.served import ServedVectors
from tidemill_monitoring.skew import find_skew, judge_skew
from tidemill_monitoring.verdicts import Status

NAMES = ["count", "recency"]
VECTORS = np.asarray([[1.0, np.nan], [2.0, 3.5], [0.0, 7.25]], dtype=np.float32)


def test_equal_vectors_with_missing_values_have_no_skew() -> None:
    """NaN equals NaN here: both sides say that the value does not exist."""
    assert find_skew(VECTORS, VECTORS.copy(), NAMES) == []
    assert judge_skew([], 3, None).status is Status.OK


def test_the_smallest_float_difference_is_skew() -> None:
    """One unit in the last place of one value is found, named and counted."""
    rebuilt = VECTORS.copy()
    rebuilt[1, 1] = np.nextafter(rebuilt[1, 1], np.float32(9))
    (skewed,) = find_skew(VECTORS, rebuilt, NAMES)
    assert (skewed.name, skewed.rows) == ("recency", 1)


def test_a_value_where_none_should_be_is_skew() -> None:
    """A filled-in default in place of a missing value is shown as such."""
    served = VECTORS.copy()
    served[0, 1] = 0.0
    (skewed,) = find_skew(served, VECTORS, NAMES)
    assert (skewed.served, skewed.rebuilt) == (0.0, None)
    verdict = judge_skew([skewed], 3, 0.125)
    assert verdict.status is Status.ACT
    assert "`recency`" in verdict.sentence
    assert "rebuilt missing" in verdict.sentence


def test_without_served_vectors_skew_is_undecided() -> None:
    """Nothing compared is not the same as nothing found."""
    assert judge_skew([], 0, None).status is Status.UNDECIDED


def test_the_sample_is_bounded_in_rows_and_spread_over_all_cutoffs() -> None:
    """A busy log costs no more than 1,000 rows, even where each has a cutoff of its own."""
    rows = 50_000
    cutoffs = np.arange(rows)
    text = np.full(rows, "u")
    served = ServedVectors(
        text, cutoffs, text, np.zeros(rows), text, np.zeros((rows, 1), np.float32)
    )
    chosen = sample_pairs(served)
    assert len(np.unique(cutoffs[chosen])) == 1_000
    assert np.all(np.diff(chosen) > 0)
    assert np.histogram(chosen, 10, (0, rows))[0].min() > 50


def test_rows_with_cutoffs_of_their_own_are_rebuilt_at_once(open_shop) -> None:
    """A thousand pushed rows, each as of its own microsecond: none differs, a changed one does."""
    shop = open_shop(users=60)
    inputs, rng = shop.inputs, np.random.default_rng(0)
    users = np.asarray([f"u{number}" for number in rng.integers(0, 60, 1_000)])
    end = int(inputs.at.timestamp() * 1e6)
    cutoffs = end - rng.integers(0, 7 * 86_400_000_000, 1_000)
    names = inputs.metadata.features
    served = rebuild_vectors(inputs.con, inputs.catalog, names, users, cutoffs)
    again = rebuild_vectors(inputs.con, inputs.catalog, names, users[::-1], cutoffs[::-1])
    assert find_skew(served, again[::-1], names) == []
    later = rebuild_vectors(inputs.con, inputs.catalog, names, users[:9], cutoffs[:9] + 1_000_000)
    assert find_skew(served[:9], later, names)
