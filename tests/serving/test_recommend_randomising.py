"""A declared share of lists has its first item moved, and every probability is the true one."""

import numpy as np
import pytest
import recommender_kit as kit
from recommender_kit import lists, recommend

from tidemill_serving.randomising import arrange


def arranged(lengths, width, share, draws):
    found = arrange(np.array(lengths), width, share, np.array(draws))
    return found.order.tolist(), found.probability


def test_the_first_changes_places_with_the_one_drawn():
    """The first draw says whether, the second with which."""
    order, probability = arranged([4, 4, 4], 4, 0.3, [[0.29, 0.0], [0.29, 0.99], [0.3, 0.5]])
    assert order == [[1, 0, 2, 3], [3, 1, 2, 0], [0, 1, 2, 3]]
    assert probability == pytest.approx(
        np.array([[0.1, 0.1, 0.9, 0.9], [0.1, 0.9, 0.9, 0.1], [0.7, 0.9, 0.9, 0.9]])
    )


def test_short_lists_stay_as_they_are():
    """Nothing to change places with; beyond the end there is nothing to be probable."""
    order, probability = arranged([1, 0, 2], 3, 0.5, [[0.0, 0.9]] * 3)
    assert order == [[0, 1, 2], [0, 1, 2], [1, 0, 2]]
    assert probability.tolist() == [[1, 0, 0], [0, 0, 0], [0.5, 0.5, 0]]


def test_probabilities_are_the_shares_of_many_draws():
    """Of each place of the ranking at each position, over 200,000 lists."""
    draws = np.random.default_rng(3).random((200_000, 2))
    found = arrange(np.full(len(draws), 5), 5, 0.4, draws)
    for place in range(5):
        for position in range(5):
            stood = found.order[:, position] == place
            said = found.probability[stood, position]
            if len(said):
                assert np.ptp(said) == 0
                assert stood.mean() == pytest.approx(said[0], abs=0.005)


def test_a_share_of_answers_is_changed(tmp_path):
    """The same items, and the same scores with them."""
    home = kit.prepare_home(tmp_path / "home", randomise=0.25)
    recommender = kit.open_recommender(home)
    answer = recommend(recommender, *["nobody"] * 1_000)
    ranked = kit.ranking(kit.logits_of(None))[:5]
    moved = [items != ranked for items in lists(answer)]
    assert 180 < sum(moved) < 320
    assert all(sorted(items) == sorted(ranked) for items in lists(answer))
    by_item = {item: answer.scores[0, at] for at, item in enumerate(lists(answer)[0])}
    for items, scores in zip(lists(answer), answer.scores, strict=True):
        assert [by_item[item] for item in items] == scores.tolist()


def test_without_randomisation_every_probability_is_one(tmp_path):
    """And the order is the model's."""
    recommender = kit.open_recommender(kit.prepare_home(tmp_path / "home"))
    answer = recommend(recommender, *["nobody"] * 50)
    assert set(answer.probabilities.ravel().tolist()) == {1.0}
    assert len({tuple(items) for items in lists(answer)}) == 1
