"""Valuing a ranking by what another one showed: unbiased where it can be, refused where not."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_pipelines.position_bias.feedback import Feedback, by_examination, by_position
from tidemill_pipelines.position_bias.off_policy import Refused, Valuation, value
from tidemill_pipelines.position_bias.propensities import Propensities

LENGTH, SHARE = 5, 0.3
LOOKS = 1 / np.arange(1, LENGTH + 1)
INTEREST = np.array([0.1, 0.3, 0.2, 0.6, 0.8])
BACKWARDS = np.arange(LENGTH, 0, -1)
KNOWN = Propensities(LOOKS, np.zeros((LENGTH, LENGTH)), 0, 1.0)


def arrangements() -> list[tuple[float, list[int]]]:
    """Every order in which a list may be shown, as intended places, with its probability."""
    usual = list(range(1, LENGTH + 1))
    found = [(1 - SHARE, usual)]
    for place in range(1, LENGTH):
        moved = list(usual)
        moved[0], moved[place] = moved[place], moved[0]
        found.append((SHARE / (LENGTH - 1), moved))
    return found


def feedback_of(
    intended: NDArray[np.int64], proposed: NDArray[np.int64], clicked: NDArray[np.bool_]
) -> Feedback:
    """Lists [n, LENGTH] by position, one for each user; `proposed` is by intended place."""
    lists = len(intended)
    return Feedback(
        user=np.arange(lists),
        randomised=np.full(lists, SHARE),
        answer=np.repeat(np.arange(lists), LENGTH),
        item=intended.ravel() - 1,
        position=np.tile(np.arange(1, LENGTH + 1), lists),
        intended=intended.ravel(),
        proposed=proposed[intended.ravel() - 1],
        clicked=clicked.ravel(),
        absent_answer=np.zeros(0, np.int64),
        absent_item=np.zeros(0, np.int64),
        absent_position=np.zeros(0, np.int64),
    )


def simulated(lists: int, proposed: NDArray[np.int64] = BACKWARDS, seed: int = 0) -> Feedback:
    rng = np.random.default_rng(seed)
    orders = arrangements()
    drawn = rng.choice(len(orders), lists, p=[chance for chance, _ in orders])
    intended = np.array([orders[at][1] for at in drawn])
    clicked = rng.random((lists, LENGTH)) < LOOKS * INTEREST[intended - 1]
    return feedback_of(intended, proposed, clicked)


def truth(proposed: NDArray[np.int64]) -> float:
    """Clicks on a list of the other ranking."""
    return float((LOOKS[proposed - 1] * INTEREST).sum())


@pytest.mark.parametrize("proposed", [np.array(p) for p in list(permutations(range(1, 6)))[::13]])
def test_weights_by_examination_are_right_on_average(proposed: NDArray[np.int64]) -> None:
    """Summed over every draw of the randomisation, for any order of the same items."""
    total = 0.0
    for chance, order in arrangements():
        intended = np.array([order])
        feedback = feedback_of(intended, proposed, np.zeros((1, LENGTH), np.bool_))
        clicks = LOOKS * INTEREST[intended[0] - 1]
        total += chance * (by_examination(feedback, LOOKS).weight @ clicks)
    assert total == pytest.approx(truth(proposed))


@pytest.mark.parametrize("place", range(1, LENGTH))
def test_weights_by_position_are_right_for_what_may_be_shown(place: int) -> None:
    """Any order that the randomisation can bring about, whatever positions do."""
    proposed = np.arange(1, LENGTH + 1)
    proposed[[0, place]] = proposed[[place, 0]]
    total = 0.0
    for chance, order in arrangements():
        intended = np.array([order])
        feedback = feedback_of(intended, proposed, np.zeros((1, LENGTH), np.bool_))
        weighing = by_position(feedback)
        total += chance * (weighing.weight @ (LOOKS * INTEREST[intended[0] - 1]))
        assert weighing.is_supported.all()
    assert total == pytest.approx(truth(proposed))


@pytest.mark.parametrize("propensities", [KNOWN, None])
def test_intervals_hold_the_truth_as_often_as_they_say(propensities: Propensities | None) -> None:
    """Nine times in ten, within the error of 60 repetitions, for each estimate."""
    proposed = BACKWARDS if propensities else np.array([3, 2, 1, 4, 5])
    held = {"ips": 0, "snips": 0, "doubly_robust": 0}
    for seed in range(60):
        found = value(simulated(1_200, proposed, seed), propensities, seed)
        assert isinstance(found, Valuation)
        for name in held:
            each = getattr(found, name)
            held[name] += each.lower <= truth(proposed) <= each.upper
    assert all(times >= 47 for times in held.values()), held


def test_live_is_what_was_clicked() -> None:
    """The value of the live ranking needs no estimate."""
    feedback = simulated(600)
    found = value(feedback, KNOWN)
    assert isinstance(found, Valuation)
    assert found.live.value == pytest.approx(feedback.clicked.sum() / 600)


def test_a_ranking_is_no_better_than_itself() -> None:
    """What the randomisation costs is not counted for or against anybody."""
    found = value(simulated(1_200, np.arange(1, LENGTH + 1)), KNOWN)
    assert isinstance(found, Valuation)
    assert found.gain.value == pytest.approx(0)
    assert found.unswapped.lower < truth(np.arange(1, LENGTH + 1)) < found.unswapped.upper


def test_items_that_were_not_shown_are_refused() -> None:
    """With half of the list unheard of, no estimate is given, and the share is named."""
    shown = simulated(600)
    is_gone = shown.item >= 3
    feedback = Feedback(
        **{
            **vars(shown),
            "proposed": np.where(is_gone, 0, shown.proposed),
            "absent_answer": shown.answer[is_gone],
            "absent_item": shown.item[is_gone] + LENGTH,
            "absent_position": shown.proposed[is_gone],
        }
    )
    found = value(feedback, KNOWN)
    assert isinstance(found, Refused)
    assert "only 34% of what it would show" in found.reason


def test_an_order_that_chance_cannot_bring_about_is_refused() -> None:
    """Without knowledge of positions, only what stood there tells of a place."""
    found = value(simulated(600), None)
    assert isinstance(found, Refused)
    assert found.support < 0.8


def test_too_few_clicks_are_refused_with_their_number() -> None:
    """The number is that of equally weighted clicks, which is smaller than that of clicks."""
    feedback = simulated(60)
    found = value(feedback, KNOWN)
    assert isinstance(found, Refused)
    assert found.effective < feedback.clicked.sum() < 100
    assert f"worth {found.effective:.0f} equal ones; 100 are needed" in found.reason
