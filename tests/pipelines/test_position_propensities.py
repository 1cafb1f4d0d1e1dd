"""Propensities from clicks on the same items at several positions, with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill_pipelines.position_bias.answers import partner_of
from tidemill_pipelines.position_bias.counts import Counts, count
from tidemill_pipelines.position_bias.propensities import estimate, isotonic, kish


def counts_of(*rows: tuple[int, int, int, int]) -> Counts:
    """From (stratum, position, shown, clicked)."""
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    return Counts(*columns)


def simulated(eta: float, strata: int = 300, seed: int = 0) -> Counts:
    """Items of all kinds of interest, shown 40 times at each of two of six positions."""
    rng = np.random.default_rng(seed)
    rows = []
    for stratum in range(strata):
        interest = rng.uniform(0.05, 0.9)
        for position in rng.choice(6, 2, replace=False) + 1:
            clicks = int(rng.binomial(40, interest * position**-eta))
            rows.append((stratum, int(position), 40, clicks))
    return counts_of(*rows)


def test_a_ratio_of_clicks_is_the_propensity() -> None:
    """Half as many clicks at position 2, of the same item as often shown, mean one half."""
    found = estimate(counts_of((7, 1, 100_000, 60_000), (7, 2, 100_000, 30_000)))
    np.testing.assert_allclose(found.values, [1, 0.5], rtol=1e-3)


def test_every_pair_of_positions_counts() -> None:
    """Position 3 is never compared with 1, and is known by its comparison with 2."""
    found = estimate(
        counts_of(
            (0, 1, 9_000, 8_000), (0, 2, 9_000, 4_000), (1, 2, 9_000, 4_000), (1, 3, 9_000, 2_000)
        )
    )
    np.testing.assert_allclose(found.values, [1, 0.5, 0.25], rtol=1e-2)


@pytest.mark.parametrize("eta", [0.5, 1.0, 2.0])
def test_propensities_are_found_whatever_items_are_liked(eta: float) -> None:
    """Interest cancels out within each stratum."""
    np.testing.assert_allclose(estimate(simulated(eta)).values, np.arange(1, 7) ** -eta, rtol=0.12)


def test_no_bias_is_found_to_be_none() -> None:
    """What chance alone would explain is not kept."""
    found = estimate(simulated(eta=0.0))
    assert found.kept < 0.5
    np.testing.assert_allclose(found.values, 1, atol=0.05)


def test_errors_are_as_large_as_they_say() -> None:
    """Two standard errors hold the truth in most of 40 logs."""
    held = []
    for seed in range(40):
        found = estimate(simulated(1.0, strata=60, seed=seed))
        error = np.sqrt(np.diag(found.covariance))[1:]
        off = np.log(found.values[1:]) + np.log(np.arange(2, 7))
        held.append((np.abs(off) < 2 * error).mean())
    assert np.mean(held) > 0.9


def test_a_position_without_clicks_stays_finite() -> None:
    """Nothing clicked in 1,000 showings is little, and not nothing."""
    found = estimate(counts_of((0, 1, 1_000, 500), (0, 2, 1_000, 0)))
    assert 0 < found.values[1] < 0.01


def test_positions_that_were_never_compared_get_the_one_before() -> None:
    """A list that always looks the same below position 2 says nothing of what follows."""
    found = estimate(
        counts_of((0, 1, 500, 400), (0, 2, 500, 200), (1, 4, 500, 100), (2, 1, 9, 9), (2, 5, 9, 4))
    )
    assert found.values[2] == found.values[3] == found.values[1]


def test_nothing_to_compare_is_no_bias() -> None:
    """An empty log, and one in which every item stands still."""
    assert estimate(counts_of()).values.tolist() == [1.0]
    assert estimate(counts_of((0, 1, 50, 40), (1, 2, 50, 2))).values.tolist() == [1.0]


def test_violators_are_pooled_by_weight() -> None:
    """The nearest falling sequence, by hand."""
    found = isotonic(np.array([3.0, 1.0, 2.0, 0.0]), np.array([1.0, 3.0, 1.0, 1.0]))
    np.testing.assert_allclose(found, [3, 1.25, 1.25, 0])


def test_equal_weights_are_worth_their_number() -> None:
    """And one huge weight is worth one observation."""
    assert kish(np.full(50, 3.0)) == pytest.approx(50)
    assert kish(np.array([1e9, 1.0, 1.0])) == pytest.approx(1)
    assert kish(np.zeros(0)) == 0


def test_swap_clicks_are_those_off_the_usual_place() -> None:
    """Clicks where an item mostly stands compare nothing by themselves."""
    assert counts_of((0, 1, 90, 50), (0, 3, 10, 4), (1, 2, 5, 5)).swap_clicks == 4


def test_showings_are_counted_by_stratum_and_position() -> None:
    """Single showings add up; a position beyond the last counts as the last."""
    found = count(np.array([3, 3, 3, 4]), np.array([1, 1, 999, 2]), np.array([1, 0, 1, 1]) > 0)
    assert found.shown.tolist() == [2, 1, 1]
    assert found.clicked.tolist() == [1, 1, 1]
    assert found.positions.tolist() == [1, 50, 2]


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("length", [2, 3, 6])
def test_intended_places_are_read_from_probabilities(share: float, length: int) -> None:
    """A rare first item changed places with the other rare one."""
    others = length - 1
    usual = [1 - share, *[1 - share / others] * others]
    scores = [float(length - place) for place in range(length)]
    assert partner_of(usual, scores) == (0, pytest.approx(share))
    swapped = [share / others, *usual[1:-1], share / others]
    moved = [scores[-1], *scores[1:-1], scores[0]]
    assert partner_of(swapped, moved) == (others, pytest.approx(share))
