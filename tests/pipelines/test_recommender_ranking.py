"""Metrics of rankings, against hand-computed values and scikit-learn's."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tidemill.recommendation.histories import Histories, Outcomes
from tidemill.recommendation.ranking import (
    coverage,
    diversity,
    ndcg_per_user,
    new_outcomes,
    novelty,
    paired_mean_difference,
    popularity_share,
    recall_per_user,
    without,
)

RANKED = np.array([[0, 1, 2], [3, 4, -1], [0, 1, 2]])


def outcomes(*rows: list[int]) -> Outcomes:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    items = np.array([item for row in rows for item in row], np.int32)
    return Outcomes(offsets, items, np.full(len(items), np.nan, np.float32))


def histories(*rows: list[int]) -> Histories:
    known = outcomes(*rows)
    count = len(rows)
    return Histories(
        datetime(2026, 1, 1, tzinfo=UTC),
        np.array([f"u{row}" for row in range(count)]),
        known.offsets,
        known.items,
        np.ones((len(known.items), 7), np.float32),
        np.ones((count, 5), np.float32),
        np.full(count, -1, np.int32),
    )


def test_ndcg_of_hand_computed_lists() -> None:
    """Hits are discounted by log2(place + 1); the best list holds min(k, outcomes) hits."""
    found = ndcg_per_user(RANKED, outcomes([1], [3, 4, 7], []), k=3)
    best = 1 + 1 / np.log2(3) + 1 / 2
    assert found[:2] == pytest.approx([1 / np.log2(3), (1 + 1 / np.log2(3)) / best])
    assert np.isnan(found[2])


def test_ndcg_weighs_items_by_what_they_are_worth() -> None:
    """The ideal list starts with the most valuable outcome."""
    worth = np.array([1.0, 0, 0, 5.0])
    found = ndcg_per_user(np.array([[0, 3]]), outcomes([0, 3]), k=2, gains=worth)
    assert found[0] == pytest.approx((1 + 5 / np.log2(3)) / (5 + 1 / np.log2(3)))


def test_ndcg_is_the_discounted_share_of_the_ideal_list() -> None:
    """On random full rankings it is what the definition gives, user by user."""
    rng = np.random.default_rng(3)
    scores, truth = rng.random((40, 30)), rng.random((40, 30)) < 0.2
    truth[:, 0] = True
    ranked, discounts = np.argsort(-scores, axis=1), 1 / np.log2(np.arange(10) + 2)
    ours = ndcg_per_user(ranked, outcomes(*(np.flatnonzero(row).tolist() for row in truth)), 10)
    gained = np.take_along_axis(truth, ranked[:, :10], axis=1) @ discounts
    ideal = [discounts[: min(10, row.sum())].sum() for row in truth]
    assert ours == pytest.approx(gained / ideal)


def test_recall_is_of_what_could_be_there() -> None:
    """Two of three outcomes are found in three places; with one place, one of one."""
    truth = outcomes([0, 2, 9], [4], [])
    assert recall_per_user(RANKED, truth, 3)[:2] == pytest.approx([2 / 3, 1])
    assert recall_per_user(RANKED, truth, 1)[:2] == pytest.approx([1, 0])


def test_padding_is_never_a_hit() -> None:
    """-1 of one user must not be taken for the last item of the user before."""
    found = recall_per_user(np.array([[0], [-1]]), outcomes([4], [4]), 1)
    assert found.tolist() == [0, 0]


def test_own_items_are_taken_out_and_places_close_up() -> None:
    """What is left keeps its order."""
    known = histories([1], [4, 3], [5, 0])
    assert without(RANKED, known).tolist() == [[0, 2, -1], [-1, -1, -1], [1, 2, -1]]


def test_new_outcomes_are_those_not_in_the_history() -> None:
    """Offsets follow."""
    new = new_outcomes(outcomes([1, 2], [3], [0, 5]), histories([2], [4, 3], []))
    assert new.items.tolist() == [1, 0, 5]
    assert new.offsets.tolist() == [0, 1, 1, 3]


def test_coverage_and_popularity_share() -> None:
    """Five of ten items are offered; six of eight places go to the three most popular."""
    popularity = np.array([9, 8, 7, 1, 1, 0, 0, 0, 0, 0]) / 10
    assert coverage(RANKED, 10) == 0.5
    assert popularity_share(RANKED, popularity) == 0.75


def test_novelty_in_bits() -> None:
    """An item a quarter of users knows is worth two bits; an unknown one a bit more than all."""
    assert novelty(np.array([[0, 1]]), np.array([0.5, 0.25])) == 1.5
    assert novelty(np.array([[1]]), np.array([0.25, 0.0])) == 3


def test_diversity_is_the_share_of_differing_attributes() -> None:
    """Of three pairs by brand two differ; by colour only one pair can be compared, and is equal."""
    attributes = {"brand": ("a", "a", "b"), "colour": ("red", None, "red")}
    assert diversity(np.array([[0, 1, 2], [1, -1, -1]]), attributes) == pytest.approx(2 / 4)
    assert np.isnan(diversity(np.array([[0, 1]]), {}))


def test_paired_difference_is_over_common_users() -> None:
    """A constant gap has no error; users that one model has no value for are left out."""
    second = np.array([0.1, 0.4, np.nan, 0.2])
    found = paired_mean_difference(second + 0.1, second, seed=0)
    assert (found.difference, found.lower) == pytest.approx((0.1, 0.1))
    assert found.users == 3
