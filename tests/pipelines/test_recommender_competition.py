"""Recommenders on made-up logs whose right answer is known."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tidemill.errors import NotReadyError
from tidemill.recommendation.histories import RecommendationSet
from tidemill_pipelines.recommending import competition
from tidemill_pipelines.recommending.candidates.batches import batch_of
from tidemill_pipelines.recommending.candidates.candidate import Candidate, FactorScores
from tidemill_pipelines.recommending.candidates.popularity import Popularity
from tidemill_pipelines.recommending.candidates.roster import ROSTER
from tidemill_pipelines.recommending.competition import Fitted, fit

LOGS: dict[str, Any] = runpy.run_path(
    str(Path(__file__).parents[2] / "benchmarks" / "recommendation_logs.py")
)
USERS, ITEMS = 300, 40


def data_of(log: Any, **more: Any) -> RecommendationSet:
    ids = [f"i{item}" for item in range(int(log.items.max()) + 1)]
    found = LOGS["recommendation_set"](log, 100.0, 20.0, ids, **more)
    assert isinstance(found, RecommendationSet)
    return found


def trained(data: RecommendationSet, repeats: bool = True, seed: int = 0) -> Fitted:
    return fit(data, repeats=repeats, count=5, seed=seed, say=lambda _: None)


@pytest.fixture(scope="module")
def blocks() -> RecommendationSet:
    """Two kinds of users, each with interest in one half of the items alone."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(USERS), 12)
    items = rng.integers(0, ITEMS // 2, len(users)) + (users % 2) * (ITEMS // 2)
    brands = tuple("left" if item < ITEMS // 2 else "right" for item in range(ITEMS))
    log = LOGS["Log"](users, items, rng.uniform(0, 100, len(users)))
    return data_of(log, attributes={"brand": brands})


@pytest.mark.parametrize("candidate", ROSTER, ids=lambda each: each.name)
def test_every_candidate_knows_which_half_is_whose(
    candidate: Candidate, blocks: RecommendationSet
) -> None:
    """All but popularity score a user's own half above the other one."""
    histories = blocks.earlier.histories
    assert candidate.refusal(histories, blocks.items) is None
    module = candidate.fit(histories, blocks.items, 0).eval()
    with torch.no_grad():
        scores = module(*batch_of(histories, np.arange(60)).inputs())
    assert scores.shape == (60, ITEMS)
    left, right = scores[:, : ITEMS // 2].mean(dim=1), scores[:, ITEMS // 2 :].mean(dim=1)
    is_left = torch.from_numpy(histories.items[histories.offsets[:60]] < ITEMS // 2)
    if candidate.name != Popularity.name:
        assert ((left > right) == is_left).float().mean() > 0.9


@pytest.mark.parametrize("candidate", ROSTER, ids=lambda each: each.name)
def test_padding_and_other_users_change_nothing(
    candidate: Candidate, blocks: RecommendationSet
) -> None:
    """A user scored alone gets what they get beside a user with a longer history."""
    histories = blocks.earlier.histories
    module = candidate.fit(histories, blocks.items, 0).eval()
    together = module(*batch_of(histories, np.arange(20)).inputs())
    alone = torch.cat([module(*batch_of(histories, np.array([u])).inputs()) for u in range(20)])
    assert torch.allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_the_winner_finds_the_own_half(blocks: RecommendationSet) -> None:
    """What is new to a user and of their half comes before all of the other half."""
    found = trained(blocks)
    batch = batch_of(blocks.later.histories, np.arange(60))
    best = found.module(*batch.inputs()).topk(5).indices
    is_left = (batch.history[:, :1] < ITEMS // 2).expand(-1, 5)
    assert ((best < ITEMS // 2) == is_left).float().mean() > 0.95


def test_a_factored_winner_is_one_inner_product(blocks: RecommendationSet) -> None:
    """Scores are query times item vectors, with those of the history's items from `repeat`."""
    module = trained(blocks).module
    assert isinstance(module, FactorScores)
    batch = batch_of(blocks.later.histories, np.arange(40))
    expected = module.query(*batch.inputs()) @ module.item_vectors.T
    repeat = module.repeat(batch.history, batch.facts, batch.activity)  # type: ignore[operator]  # torch types attributes as tensors
    row, place = torch.nonzero(batch.history >= 0, as_tuple=True)
    expected[row, batch.history[row, place]] = repeat[row, place]
    assert torch.allclose(module(*batch.inputs()), expected, atol=1e-4)


def test_the_same_seed_gives_the_same_model(blocks: RecommendationSet) -> None:
    """Bit for bit."""
    batch = batch_of(blocks.later.histories, np.arange(20))
    first, second = (trained(blocks, seed=3).module(*batch.inputs()) for _ in range(2))
    assert torch.equal(first, second)


def test_outcomes_of_the_test_window_stay_unread(blocks: RecommendationSet) -> None:
    """A set without them trains alike."""
    blind = RecommendationSet(
        blocks.folder,
        blocks.items,
        blocks.earlier,
        type(blocks.later)(blocks.later.histories, None),  # type: ignore[arg-type]  # reading it would raise
    )
    assert trained(blind).model == trained(blocks).model


def test_scores_are_calibrated_log_odds() -> None:
    """The sum of probabilities is the number of outcomes, within a third."""
    data = data_of(LOGS["latent"](400, 60, 25, seed=1, repeats=True))
    module = trained(data).module
    users = np.arange(len(data.later.histories))
    chances = torch.sigmoid(module(*batch_of(data.later.histories, users).inputs()))
    assert float(chances.sum()) == pytest.approx(len(data.later.outcomes.items), rel=0.33)


def test_order_is_seen_where_it_tells_most() -> None:
    """On chains a model that reads the order beats all that do not."""
    results = trained(data_of(LOGS["ordered"](600, 80, 15, seed=2)), repeats=False).candidates
    by_name = {each.name: each.ndcg_new for each in results}
    ordered = max(by_name["Markov chain"], by_name["self-attention"])
    assert ordered > 1.2 * max(by_name["implicit ALS, penalty 0.5"], by_name["item-kNN"])


@pytest.mark.parametrize(("users", "items"), [(1, 1), (3, 30), (20, 2)])
@pytest.mark.parametrize("repeats", [True, False])
def test_tiny_logs_give_finite_scores(users: int, items: int, repeats: bool) -> None:
    """Whatever there is too little of, a ranking comes out."""
    rng = np.random.default_rng(users * 31 + items)
    of_user = np.repeat(np.arange(users), 8)
    log = LOGS["Log"](
        of_user, rng.integers(0, items, len(of_user)), rng.uniform(0, 100, len(of_user))
    )
    data = data_of(log)
    found = trained(data, repeats)
    scores = found.module(*batch_of(data.later.histories, np.arange(users)).inputs())
    assert torch.isfinite(scores).all()


def test_a_stranger_gets_what_is_popular_where_they_are() -> None:
    """Users of the second context like the last items; so does who is new there."""
    rng = np.random.default_rng(4)
    users = np.repeat(np.arange(200), 6)
    items = rng.integers(0, 10, len(users)) + (users % 2) * 10
    contexts = np.arange(200) % 2
    data = data_of(LOGS["Log"](users, items, rng.uniform(0, 100, len(users))), contexts=contexts)
    module = trained(data).module
    nobody = torch.full((2, 1), -1), torch.zeros(2, 1, 7), torch.zeros(2, 5)
    best = module(*nobody, torch.tensor([0, 1])).topk(5).indices
    assert (best[0] < 10).all()
    assert (best[1] >= 10).all()


def test_too_little_memory_is_refused_with_the_reason(
    blocks: RecommendationSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is learned."""
    monkeypatch.setattr(competition, "_BYTES_AT_LEAST", 10**15)
    with pytest.raises(NotReadyError, match="GB are free"):
        trained(blocks)
