"""At most so many items of one list share a value."""

from itertools import product

import numpy as np
import pytest
import recommender_kit as kit
from recommender_kit import lists, recommend

from tidemill.recommendation.bundle import ALLOWED, EXCLUDED, HISTORY
from tidemill.recommendation.caps import Cap
from tidemill_serving.capping import CappedSearch
from tidemill_serving.merging import Asked
from tidemill_serving.recommender_model import Found


def greedy(items, count, **caps):
    """The list by hand: best first, passing over what a cap rules out."""
    numbers = {item: int(item[1:]) for item in items}
    brand = {item: None if at in kit.BRANDLESS else at % 4 for item, at in numbers.items()}
    kind = {item: at % 2 for item, at in numbers.items()}
    of = {"brand": brand, "kind": kind}
    chosen = []
    for item in items:
        shared = {
            name: sum(of[name][other] == of[name][item] for other in chosen)
            if of[name][item] is not None
            else 0
            for name in caps
        }
        if len(chosen) < count and all(shared[name] < most for name, most in caps.items()):
            chosen.append(item)
    return chosen


@pytest.mark.parametrize("caps", [{"brand": 1}, {"brand": 3}, {"kind": 2}, {"brand": 2, "kind": 3}])
def test_lists_are_the_best_that_the_caps_allow(tmp_path, caps):
    """For every user, however far down the ranking the last item stands."""
    at_most = {f"item.{name}": most for name, most in caps.items()}
    recommender = kit.open_recommender(kit.prepare_home(tmp_path / "home", at_most=at_most))
    users = [f"u{number}" for number in range(kit.USERS)]
    rankings = [
        kit.ranking(kit.logits_of(kit.history_of(number)), f"i{(number + 1) % kit.COUNT}")
        for number in range(kit.USERS)
    ]
    for k in (1, 4, 9, kit.COUNT):
        wanted = [greedy(ranked, k, **caps) for ranked in rankings]
        assert lists(recommend(recommender, *users, k=k)) == wanted


def test_a_cap_reaches_behind_any_number_of_items(tmp_path):
    """One kind fills the top of the ranking; the other kind is still found."""
    recommender = kit.open_recommender(
        kit.prepare_home(tmp_path / "home", at_most={"item.kind": 1}, count=2)
    )
    (items,) = lists(recommend(recommender, "nobody", context="north"))
    assert items == ["i1", "i0"]


def test_filters_and_caps_hold_together(tmp_path):
    """A cap is searched on within what the filter lets through, in parts of few users."""
    home = kit.prepare_home(tmp_path / "home", at_most={"item.brand": 1})
    recommender = kit.open_recommender(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tidemill_serving.recommender_model._CELLS_PER_RUN", 2 * kit.COUNT)
        answer = recommend(
            recommender, "u2", "u6", "u1", "nobody", k=4, filters={"item.kind": ("odd",)}
        )
    for items in lists(answer):
        assert sorted(int(item[1:]) % 4 for item in items) == [1, 3]


def test_items_without_the_attribute_share_nothing(tmp_path):
    """A catalogue that lost its brands caps nobody."""
    home = kit.prepare_home(tmp_path / "home", at_most={"item.colour": 1})
    (items,) = lists(recommend(kit.open_recommender(home), "nobody"))
    assert items == ["i0", "i1", "i2", "i3", "i4"]


def test_capped_scores_belong_to_their_items(tmp_path):
    """Leaving items out moves the scores along."""
    home = kit.prepare_home(tmp_path / "home", at_most={"item.brand": 1})
    answer = recommend(kit.open_recommender(home), "nobody", "u9", k=5)
    histories = (None, kit.history_of(9))
    for row, place in product(range(2), range(5)):
        if item := answer.items[row, place]:
            logit = kit.logits_of(histories[row])[kit.ITEMS.index(item)]
            assert answer.scores[row, place] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


ITEMS = 10_000


class InOrder:
    """Ranks items by their number; notes how many users each search is for."""

    most_rows = 3

    def __init__(self):
        self.rows = []

    def search(self, asked):
        self.rows.append(sum(each.rows for each in asked))
        return [self._answer(each) for each in asked]

    def _answer(self, asked):
        item = np.full((asked.rows, asked.k), -1, np.int64)
        for row, mask in enumerate(np.broadcast_to(asked.inputs[ALLOWED], (asked.rows, ITEMS))):
            best = np.flatnonzero(mask)[: asked.k]
            item[row, : len(best)] = best
        return Found(item, (item >= 0).astype(np.float32))


def asked(users, k, *caps):
    nothing = np.full((users, 1), -1)
    inputs = {HISTORY: nothing, EXCLUDED: nothing, ALLOWED: np.ones((1, ITEMS), np.bool_)}
    return Asked(inputs, k, caps)


def test_few_searches_reach_any_depth():
    """Half of what is left has the same value, again and again: no search for each value."""
    halves = np.log2(ITEMS / (ITEMS - np.arange(ITEMS))).astype(np.int32)
    searcher = InOrder()
    (found,) = CappedSearch(searcher, ITEMS).search([asked(1, 10, Cap(halves, 1))])
    assert found.item[0].tolist() == [int(np.argmax(halves == half)) for half in range(10)]
    assert len(searcher.rows) <= 5


def test_many_users_search_on_in_parts():
    """Each needs a mask of all items, so no more at once than a search takes; all of them are full,
    and those of another request without caps are left alone."""
    top_heavy = np.where(np.arange(ITEMS) < 5_000, 0, np.arange(ITEMS)).astype(np.int32)
    searcher = InOrder()
    requests = [asked(7, 4, Cap(top_heavy, 1)), asked(1, 2), asked(2, 3, Cap(top_heavy, 2))]
    found = CappedSearch(searcher, ITEMS).search(requests)
    assert found[0].item.tolist() == [[0, 5_000, 5_001, 5_002]] * 7
    assert found[1].item.tolist() == [[0, 1]]
    assert found[2].item.tolist() == [[0, 1, 5_000]] * 2
    assert searcher.rows == [10, 3, 3, 3]
