"""Who waits while a search runs is searched for in the next one, and gets the answer due alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import factored_kit as kit
import numpy as np
import pytest
from factored_kit import ITEMS, ask, some_histories

from tidemill_serving.batching import Batcher
from tidemill_serving.merging import Asked, merge, split
from tidemill_serving.recommender_model import Found, RecommenderModel
from tidemill_serving.search import ExactSearch, open_searcher


class Slow:
    """Searches when it is let, and keeps what was asked together; one without items fails it."""

    most_rows = 4

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = threading.Event()
        self.let.set()

    def search(self, asked: Sequence[Asked]) -> list[Found]:
        self.let.wait(10)
        self.batches.append([each.k for each in asked])
        if any(each.k == 0 for each in asked):
            raise ValueError("nothing asked for")
        return [Found(np.full((each.rows, each.k), each.k), np.zeros(0)) for each in asked]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def batcher(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> Batcher:
    """One that never answers inline."""
    monkeypatch.setattr("tidemill_serving.batching._INLINE_SECONDS", 0)
    made = Batcher(slow, ask([], k=1))
    slow.batches.clear()
    return made


def held(slow: Slow, batcher: Batcher, *counts: int, rows: int = 1) -> list[Callable[[], Found]]:
    """Requests that come while the search of a first one runs; then that is let go on."""
    slow.let.clear()
    first = batcher.submit(ask([], k=99))
    while batcher._waiting:
        threading.Event().wait(0.001)
    pending = [batcher.submit(ask(*[[]] * rows, k=k)) for k in counts]
    slow.let.set()
    first.result(10)
    return [each.result for each in pending]


def test_those_who_wait_are_searched_for_together(slow: Slow, batcher: Batcher) -> None:
    """In the order they came."""
    for k, result in zip((3, 1, 2), held(slow, batcher, 3, 1, 2), strict=True):
        assert result().item.shape == (1, k)
    assert slow.batches == [[99], [3, 1, 2]]


def test_nobody_waits_for_others_to_come(slow: Slow, batcher: Batcher) -> None:
    """A request alone is searched for at once."""
    assert batcher.search(ask([], k=7)).item.shape == (1, 7)
    assert slow.batches == [[7]]


def test_a_run_is_bounded(slow: Slow, batcher: Batcher) -> None:
    """By its users; one request may be larger than the bound."""
    for result in held(slow, batcher, *range(1, 7)):
        result()
    assert slow.batches[1:] == [[1, 2, 3, 4], [5, 6]]
    slow.batches.clear()
    for result in held(slow, batcher, 1, 2, rows=9):
        result()
    assert slow.batches[1:] == [[1], [2]]


def test_an_error_is_only_its_own_requests(slow: Slow, batcher: Batcher) -> None:
    """The others of its run are answered, and those that come later too."""
    good, bad, other = held(slow, batcher, 1, 0, 2)
    assert good().item.shape == (1, 1)
    assert other().item.shape == (1, 2)
    with pytest.raises(ValueError, match="nothing asked for"):
        bad()
    assert batcher.search(ask([], k=3)).item.shape == (1, 3)


def test_a_caller_who_gave_up_is_not_searched_for(slow: Slow, batcher: Batcher) -> None:
    """And does no harm to the others."""
    slow.let.clear()
    batcher.submit(ask([], k=99))
    while batcher._waiting:
        threading.Event().wait(0.001)
    gone, here = batcher.submit(ask([], k=1)), batcher.submit(ask([], k=2))
    assert gone.cancel()
    slow.let.set()
    assert here.result(10).item.shape == (1, 2)
    assert slow.batches == [[99], [2]]


def test_an_idle_thread_ends_and_another_begins(
    slow: Slow, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a model that is no longer served leaves memory."""
    monkeypatch.setattr("tidemill_serving.batching._IDLE_SECONDS", 0.01)
    batcher.search(ask([], k=1))
    thread = next(each for each in threading.enumerate() if each.name == "search")
    thread.join(10)
    assert not thread.is_alive()
    assert batcher.search(ask([], k=2)).item.shape == (1, 2)


def test_a_quick_search_is_the_callers_own(slow: Slow) -> None:
    """To hand it over costs more; a large request is no quick search."""
    batcher = Batcher(slow, ask([], k=1))
    assert batcher.is_quick(ask([], k=1))
    assert not batcher.is_quick(ask(*[[]] * 100_000, k=1))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RecommenderModel:
    return kit.open_model(tmp_path_factory.mktemp("factored"))


def differing() -> list[Asked]:
    """Requests that agree in nothing: users, lengths of histories, exclusions, filters, counts."""
    histories = some_histories(6)
    narrow = np.random.default_rng(4).random((1, ITEMS)) < 0.1
    return [
        ask(histories[0][:1], k=3),
        ask(histories[1], [], k=20, excluded=[[1, 2, 3], []]),
        ask(histories[2], k=5, allowed=narrow, interest=50.0),
        ask([], k=1, allowed=narrow),
        ask(*histories[3:], k=8, excluded=[[5], [], [7, 9]]),
    ]


@pytest.mark.parametrize("index", ["exact", "approximate"])
def test_together_as_alone(model: RecommenderModel, index: str) -> None:
    """Each request gets what it would get if it were the only one."""
    searcher = open_searcher(model, "exact" if index == "exact" else "approximate")
    together = searcher.search(differing())
    for asked, found in zip(differing(), together, strict=True):
        (alone,) = searcher.search([asked])
        assert found.item.shape == (asked.rows, asked.k)
        assert np.array_equal(found.item, alone.item)
        assert np.allclose(found.score, alone.score, atol=1e-6)


def test_a_mask_that_all_share_stays_one_row() -> None:
    """A row for each user would cost memory and time for nothing."""
    assert len(merge([ask([], k=1), ask([], [], k=2)]).inputs["allowed"]) == 1


def test_a_merged_request_comes_apart_as_it_was() -> None:
    """Rows in their order, each list as long as it was asked for."""
    asked = [ask([], k=2), ask([], [], k=1)]
    found = Found(np.array([[1, 2], [3, 4], [5, 6]]), np.ones((3, 2), np.float32))
    assert [part.item.tolist() for part in split(found, asked)] == [[[1, 2]], [[3], [5]]]


def test_many_threads_get_their_own_answers(
    model: RecommenderModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """None gets another's list."""
    monkeypatch.setattr("tidemill_serving.batching._INLINE_SECONDS", 0)
    searcher = ExactSearch(model)
    batcher = Batcher(searcher, ask([]))
    asked = [ask(history) for history in some_histories(24)]
    answers: dict[int, Found] = {}

    def go(at: int) -> None:
        answers[at] = batcher.search(asked[at])

    threads = [threading.Thread(target=go, args=(at,)) for at in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for at, each in enumerate(asked):
        assert np.array_equal(answers[at].item, searcher.search([each])[0].item)
