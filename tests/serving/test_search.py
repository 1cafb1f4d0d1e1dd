"""An index answers as the whole graph does, but for new items that it may miss."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import factored_kit as kit
import numpy as np
import pytest
from factored_kit import ITEMS, ask, some_histories

from tidemill.objective.schema import Index
from tidemill.recommendation.bundle import HISTORY
from tidemill_serving import indexing
from tidemill_serving.approximate import ApproximateSearch
from tidemill_serving.merging import Asked
from tidemill_serving.partitions import build_partitions, places_of_best, reach_of
from tidemill_serving.recommender_model import Found, Inputs, RecommenderModel
from tidemill_serving.search import ExactSearch, Searcher, open_searcher


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RecommenderModel:
    return kit.open_model(tmp_path_factory.mktemp("factored"))


@pytest.fixture(scope="module")
def index(model: RecommenderModel) -> Searcher:
    found = open_searcher(model, "approximate")
    assert isinstance(found, ApproximateSearch)
    return found


def one(searcher: Searcher, asked: Asked) -> Found:
    return searcher.search([asked])[0]


def recall(found: Found, wanted: Found) -> float:
    """Share of the wanted items that were found, over all users."""
    shares = [
        len(set(got) & set(truth)) / len(truth)
        for got, truth in zip(found.item.tolist(), wanted.item.tolist(), strict=True)
    ]
    return float(np.mean(shares))


def same(left: Found, right: Found) -> bool:
    return np.array_equal(left.item, right.item) and np.allclose(left.score, right.score, atol=1e-6)


def test_most_of_the_best_items_are_found(index: Searcher, model: RecommenderModel) -> None:
    """At least 95 of 100, for users whom the index was not tried with."""
    asked = ask(*some_histories(100))
    assert recall(one(index, asked), one(ExactSearch(model), asked)) >= 0.95


def test_an_index_reads_few_items(index: Searcher) -> None:
    """Else it would be no index."""
    assert isinstance(index, ApproximateSearch)
    assert index.width < ITEMS / 10


def test_scores_are_those_of_the_graph(index: Searcher, model: RecommenderModel) -> None:
    """Of every item that both found."""
    asked = ask(some_histories(1)[0])
    found, wanted = one(index, asked), one(ExactSearch(model), asked)
    scores = dict(zip(wanted.item[0].tolist(), wanted.score[0].tolist(), strict=True))
    for item, score in zip(found.item[0].tolist(), found.score[0].tolist(), strict=True):
        assert scores.get(item, score) == pytest.approx(score, abs=1e-6)


def test_own_items_stand_where_their_odds_put_them(
    index: Searcher, model: RecommenderModel
) -> None:
    """Likely ones first, exactly as the graph has it."""
    history = some_histories(1)[0]
    asked = ask(history, interest=50.0, k=8)
    assert set(one(index, asked).item[0].tolist()) == set(history)
    assert set(one(ExactSearch(model), asked).item[0].tolist()) == set(history)


def test_without_repeats_own_items_are_not_offered(tmp_path: Path) -> None:
    """However likely they are."""
    found = open_searcher(kit.open_model(tmp_path, repeats=False), "approximate")
    history = some_histories(1)[0]
    assert isinstance(found, ApproximateSearch)
    assert not set(one(found, ask(history, interest=50.0)).item[0].tolist()) & set(history)


def test_excluded_items_are_not_offered(index: Searcher) -> None:
    """Neither new ones nor the user's own."""
    history = some_histories(1)[0]
    best = one(index, ask(history, interest=50.0)).item[0].tolist()
    again = one(index, ask(history, interest=50.0, excluded=[best])).item[0].tolist()
    assert not set(again) & set(best)
    assert len(set(again) - {-1}) == 20


@pytest.mark.parametrize("share", [0.5, 0.05, 0.002])
def test_a_filter_holds_and_is_searched_well(
    index: Searcher, model: RecommenderModel, share: float
) -> None:
    """Whatever share of the items it leaves."""
    allowed = np.random.default_rng(2).random((1, ITEMS)) < share
    asked = ask(*some_histories(50), allowed=allowed, interest=50.0)
    found = one(index, asked)
    assert allowed[0][found.item[found.item >= 0]].all()
    assert recall(found, one(ExactSearch(model), asked)) >= 0.95


def test_a_narrow_filter_is_searched_exactly(index: Searcher, model: RecommenderModel) -> None:
    """All that it leaves is read, though it lies far from the user's interests."""
    history = some_histories(1)[0]
    far = np.argsort(kit.vectors() @ kit.vectors()[history[0]])[:30]
    allowed = np.isin(np.arange(ITEMS), far)[None]
    asked = ask(history, allowed=allowed)
    assert same(one(index, asked), one(ExactSearch(model), asked))


def test_a_mask_that_changes_holds_at_once(index: Searcher) -> None:
    """What was counted of it before may cost recall, but offers nothing that is not allowed."""
    allowed, history = np.ones((1, ITEMS), dtype=np.bool_), some_histories(1)[0]
    best = one(index, ask(history, allowed=allowed)).item[0].tolist()
    allowed[0, best] = False
    assert not set(one(index, ask(history, allowed=allowed)).item[0].tolist()) & set(best)


def test_too_few_items_leave_the_end_of_a_list_empty(index: Searcher) -> None:
    """As position -1 with score 0."""
    allowed = np.zeros((1, ITEMS), dtype=np.bool_)
    allowed[0, [5, 7]] = True
    found = one(index, ask([], allowed=allowed, k=4))
    assert sorted(found.item[0, :2].tolist()) == [5, 7]
    assert found.item[0, 2:].tolist() == [-1, -1]
    assert found.score[0, 2:].tolist() == [0, 0]


def test_each_user_may_have_a_filter_of_their_own(index: Searcher, model: RecommenderModel) -> None:
    """One row of `allowed` for each user."""
    allowed = np.random.default_rng(3).random((2, ITEMS)) < 0.01
    asked = ask(*some_histories(2), allowed=allowed)
    assert same(one(index, asked), one(ExactSearch(model), asked))


def test_a_long_list_is_searched_exactly(index: Searcher, model: RecommenderModel) -> None:
    """Where an index would have to read much of the catalogue."""
    asked = ask(some_histories(1)[0], k=ITEMS // 2)
    assert same(one(index, asked), one(ExactSearch(model), asked))


def test_vectors_without_structure_are_searched_exactly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An index over them would have to read too much; the log says so."""
    with caplog.at_level(logging.WARNING):
        searcher = open_searcher(kit.open_model(tmp_path, clusters=0), "approximate")
    assert isinstance(searcher, ExactSearch)
    assert "searched exactly: an index would have to read" in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_factored": False, "model": "ease"}, "'ease' does not rank by an inner product"),
        ({"items": ("a", "b")}, "an index pays from 20000 items on, found 2"),
    ],
)
def test_what_cannot_be_indexed_is_searched_exactly(
    model: RecommenderModel,
    changes: dict[str, object],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And the log says why."""
    fields = model.metadata.model_copy(update=changes)
    other = RecommenderModel("other", "1", fields, model.run)
    assert isinstance(open_searcher(other, "approximate"), ExactSearch)
    assert words in caplog.text


def test_an_index_is_built_only_where_it_is_declared(model: RecommenderModel) -> None:
    assert isinstance(open_searcher(model, "exact"), ExactSearch)


def test_partitions_hold_every_item_once() -> None:
    """Each with its own vector."""
    vectors = kit.vectors()[:3_000]
    partitions = build_partitions(vectors)
    assert sorted(partitions.items.tolist()) == list(range(3_000))
    assert np.array_equal(partitions.vectors[partitions.rows], vectors)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_handful_of_items_can_be_partitioned(count: int) -> None:
    """Even where all are alike."""
    partitions = build_partitions(np.ones((count, 4), dtype=np.float32))
    assert sorted(partitions.items.tolist()) == list(range(count))


def test_reading_all_partitions_finds_the_best() -> None:
    """Whatever their order."""
    vectors = kit.vectors()[:3_000]
    partitions = build_partitions(vectors)
    ranked = partitions.ranked(vectors[7], reach_of(partitions.sizes))
    places = places_of_best(partitions.scores(vectors[7], ranked), 10)
    found = partitions.items_of(ranked, places)
    assert set(found.tolist()) == set(np.argsort(-(vectors @ vectors[7]))[:10].tolist())


@pytest.mark.parametrize("size", [1, 9, 100, 1_003])
@pytest.mark.parametrize("count", [1, 8, 60])
def test_the_largest_scores_are_found(size: int, count: int) -> None:
    """Also where all are wanted."""
    scores = np.random.default_rng(size).normal(size=size).astype(np.float32)
    places = places_of_best(scores, count)
    assert sorted(scores[places].tolist()) == sorted(scores.tolist())[-count:]


def test_the_width_finds_the_share_it_is_made_for() -> None:
    """Of the best items of the queries it was made with."""
    vectors = kit.vectors()
    partitions, queries = build_partitions(vectors), vectors[:100]
    reach = reach_of(partitions.sizes)
    width = indexing.width_of(partitions, queries, 20)
    found = 0
    for query in queries:
        ranked = partitions.ranked(query, reach)
        read = ranked[: int(np.searchsorted(np.cumsum(partitions.sizes[ranked]), width)) + 1]
        inside = partitions.items_of(read, np.arange(int(partitions.sizes[read].sum())))
        found += len(set(inside.tolist()) & set(np.argsort(-(vectors @ query))[:20].tolist()))
    assert found / 2_000 >= 0.95


@pytest.mark.parametrize("index", ["exact", "approximate"])
def test_long_histories_are_read_in_parts(model: RecommenderModel, index: Index) -> None:
    """However many users are asked about at once, memory is that of a few; answers are the same."""
    rows: list[int] = []

    def counted(outputs: list[str], feed: Inputs, options: None) -> Any:
        rows.append(len(feed[HISTORY]))
        return model.run(outputs, feed, options)

    searcher = open_searcher(replace(model, run=counted), index)
    histories = [list(range(start, start + 500)) for start in range(40)]
    rows.clear()
    together = one(searcher, ask(*histories))
    assert sum(rows) == 40
    assert max(rows) * 500 <= 2**14
    alone = [one(searcher, ask(history)) for history in histories]
    assert same(together, Found(*(np.concatenate(columns) for columns in zip(*alone, strict=True))))
