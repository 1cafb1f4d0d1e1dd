"""What is offered to whom: by a graph, by the simple rule, and within caps."""

from datetime import UTC, datetime

import numpy as np
import pytest
import torch

from tidemill.recommendation.histories import Exclusions, Histories, ItemTable, Outcomes, Window
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.recommending.caps import caps_of, within_caps
from tidemill_pipelines.recommending.graph import export_recommender
from tidemill_pipelines.recommending.judged import judged_part
from tidemill_pipelines.recommending.running import Lists, Ranker
from tidemill_pipelines.recommending.simple_rule import popularity, simple_lists
from tidemill_pipelines.recommending.slices import item_slices

ITEMS = ("a", "b", "c", "d", "e")
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def table_of(ids=ITEMS, **attributes):
    return ItemTable(ids, attributes, np.ones(len(ids), np.float32), ("north", "south"))


def lists_of(*rows):
    """Offsets and items of lists of positions."""
    return np.cumsum([0, *map(len, rows)]), np.array([i for row in rows for i in row], np.int32)


def histories_of(*rows, habits=None, days_since_last=1, excluded=None, contexts=None):
    """Users u0, u1, ... with items by position; `habits` are their decayed sums."""
    offsets, items = lists_of(*rows)
    facts = np.zeros((len(items), 7), np.float32)
    facts[:, 2] = [h for row in habits for h in row] if habits else 1
    facts[:, 5] = days_since_last
    return Histories(
        cutoff=NOW,
        users=np.array([f"u{n}" for n in range(len(rows))]),
        offsets=offsets,
        items=items,
        facts=facts,
        activity=np.ones((len(rows), 5), np.float32),
        contexts=np.array(contexts or [-1] * len(rows), np.int32),
        excluded=None if excluded is None else Exclusions(*lists_of(*excluded)),
    )


class Alphabet(torch.nn.Module):
    """Items in order, but own ones first, and all by how often with the context."""

    def forward(self, history, facts, activity, context):
        order = -torch.arange(5, dtype=torch.float32) * (1 + context[:, None])
        order = order + 0 * activity[:, :1]
        own = torch.nn.functional.one_hot(torch.where(history >= 0, history, 5), 6).sum(1)
        return order + 10 * own[:, :5] + 0 * facts.sum((1, 2))[:, None]


@pytest.fixture(scope="module")
def ranker_of(tmp_path_factory):
    """`ranker_of(table, items)`: the alphabet's graph, whose positions mean `items`."""
    path = tmp_path_factory.mktemp("lists") / "model.onnx"
    export_recommender(Alphabet(), items=5, values=None, repeats=True, is_factored=False, path=path)
    return lambda table, items=ITEMS: Ranker(open_session(path), table, items, ("south", "north"))


def test_histories_exclusions_and_contexts_reach_the_graph(ranker_of):
    """Own items first, excluded ones never; a context by its name, not by its position."""
    ranker = ranker_of(table_of())
    found = ranker.top(histories_of([3], [], [1, 4], excluded=([0], [], [1])), 3).items
    assert found.tolist() == [[3, 1, 2], [0, 1, 2], [4, 0, 2]]
    # `south` is the table's second context and the graph's first, which is weighed by 1.
    scores = ranker.top(histories_of([], [], contexts=[1, 0]), 2).scores
    assert scores[0, 1] == pytest.approx(1 / (1 + np.e))
    assert scores[1, 1] == pytest.approx(1 / (1 + np.e**2))


def test_only_new_items(ranker_of):
    """Nothing of the history."""
    assert ranker_of(table_of()).top(histories_of([0, 2]), 5, only_new=True).items.tolist() == [
        [1, 3, 4, -1, -1]
    ]


def test_as_strangers(ranker_of):
    """A history that is not looked at."""
    found = ranker_of(table_of()).top(histories_of([3]), 2, as_strangers=True)
    assert found.items.tolist() == [[0, 1]]


def test_an_older_model_speaks_of_the_items_of_today(ranker_of):
    """What it does not know is left out of histories and lists; what is gone is not offered."""
    today = table_of(("e", "c", "new", "a"))
    ranker = ranker_of(today, items=("a", "b", "c", "d", "e"))
    found = ranker.top(histories_of([2, 0], excluded=([3],)), 4)
    assert [today.ids[at] for at in found.items[0] if at >= 0] == ["e", "c"]
    assert (found.scores[0] > 0).tolist() == [True, True, False, False]


def test_many_users_are_ranked_in_parts(ranker_of, monkeypatch):
    """And answered as if they were ranked at once."""
    ranker, many = ranker_of(table_of()), histories_of(*[[n % 5] for n in range(9)])
    whole = ranker.top(many, 2).items
    monkeypatch.setattr("tidemill_pipelines.recommending.running._MOST_USERS", 2)
    assert (ranker.top(many, 2).items == whole).all()
    assert whole[:, 0].tolist() == [n % 5 for n in range(9)]


POPULAR = np.array([5.0, 4.0, 3.0, 2.0, 1.0])


def test_the_simple_rule_is_habit_and_then_popularity():
    """The own items by decayed frequency, then the chart; never what is excluded."""
    histories = histories_of([4, 3], [], habits=[[1, 9], []], excluded=([0], [1]))
    found = simple_lists(histories, POPULAR, None, 4, with_own=True).items
    assert found.tolist() == [[3, 4, 1, 2], [0, 2, 3, 4]]


def test_the_simple_rule_without_own_items():
    """Only the chart is left."""
    found = simple_lists(histories_of([0], [0, 1, 2, 3, 4]), POPULAR, None, 2, with_own=False)
    assert found.items.tolist() == [[1, 2], [-1, -1]]


def test_the_simple_rule_of_offers_counts_value():
    """Of favourites and of the chart."""
    values = np.array([1, 1, 1, 1, 100], np.float32)
    found = simple_lists(histories_of([3, 2]), POPULAR, values, 3, with_own=True).items
    assert found.tolist() == [[3, 2, 4]]


def test_popularity_is_of_one_horizon():
    """Users with recent interest; older interest only decides between equals."""
    histories = histories_of([0, 1], [1, 2], [2], days_since_last=[3, 40, 40, 3, 40])
    assert np.argsort(-popularity(histories, 5, 28), kind="stable").tolist() == [2, 0, 1, 3, 4]


def ranked(order, count):
    items = np.full((1, max(count, 0)), -1)
    items[0, : min(count, len(order))] = order[:count]
    return Lists(items, np.ones(items.shape, np.float32))


def test_caps_hold_and_lists_stay_full():
    """A capped value gives way to what comes next, however far down; no value is no cap."""
    table = table_of(brand=("x", "x", "x", "y", None))
    caps = caps_of({"item.brand": 1, "item.unknown": 1}, table)
    found = within_caps(lambda count: ranked([0, 1, 2, 3, 4], count), caps, 3, 5)
    assert found.items.tolist() == [[0, 3, 4]]


def test_caps_that_cannot_be_met_leave_gaps():
    """Rather than be broken."""
    table = table_of(brand=("x",) * 5)
    caps = caps_of({"item.brand": 2}, table)
    found = within_caps(lambda count: ranked([0, 1, 2, 3, 4], count), caps, 3, 5)
    assert found.items.tolist() == [[0, 1, -1]]
    assert found.scores.tolist() == [[1, 1, 0]]


def test_users_who_did_nothing_are_not_judged():
    """And of many, a drawn part, with all that belongs to them."""
    histories = histories_of([0], [1], [2, 3], [4], excluded=([1], [2], [0], [3]))
    outcomes = Outcomes(*lists_of([1], [], [0, 4], [2]), np.arange(4, dtype=np.float32))
    part = judged_part(Window(histories, outcomes), seed=0)
    assert part.histories.users.tolist() == ["u0", "u2", "u3"]
    assert part.histories.items.tolist() == [0, 2, 3, 4]
    assert part.histories.excluded.items.tolist() == [1, 0, 3]
    assert part.outcomes.values.tolist() == [0, 1, 2, 3]
    drawn = judged_part(Window(histories, outcomes), seed=0, most=2)
    assert len(drawn.histories) == 2
    assert drawn.outcomes.offsets[-1] == len(drawn.outcomes.items)


def test_dates_are_no_kinds_of_items():
    """Two days on which items came in tell no more than the days between them would."""
    table = table_of(
        since=["2024-01-01", "2024-02-01T10:00:00Z", None, "2024-01-01", "2024-01-01"],
        size=["10", "12", "10", "12", None],
    )
    window = Window(histories_of([0], [1]), Outcomes(*lists_of([2], [3]), np.ones(2, np.float32)))
    ranked = np.array([[2, 3], [2, 4]])
    found = item_slices(window, table, ranked, np.ones(5, np.int64))
    assert [each["slice"] for each in found[2:]] == ["size 10", "size 12"]
