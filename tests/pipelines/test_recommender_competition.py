"""Recommenders on made-up logs whose right answer is known."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tidemill.recommendation.histories import RecommendationSet, Window
from tidemill.recommendation.ranking import ndcg_per_user, new_outcomes
from tidemill_pipelines.recommending.candidates.batches import batch_of
from tidemill_pipelines.recommending.candidates.candidate import Candidate, FactorScores, Scores
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


def trained(data: RecommendationSet, repeats: bool = True) -> Fitted:
    return fit(data, repeats=repeats, count=5, seed=0, say=lambda _: None)


@pytest.fixture(scope="module")
def blocks() -> RecommendationSet:
    """Two kinds of users, each with interest in one half of the items alone."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(USERS), 12)
    items = rng.integers(0, ITEMS // 2, len(users)) + (users % 2) * (ITEMS // 2)
    brands = tuple("left" if item < ITEMS // 2 else "right" for item in range(ITEMS))
    log = LOGS["Log"](users, items, rng.uniform(0, 100, len(users)))
    return data_of(log, attributes={"brand": brands})


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What `found` says while it learns."""
    return []


@pytest.fixture(scope="module")
def found(blocks: RecommendationSet, said: list[str]) -> Fitted:
    return fit(blocks, repeats=True, count=5, seed=0, say=said.append)


@pytest.fixture(scope="module", params=ROSTER, ids=lambda each: each.name)
def learned(request: pytest.FixtureRequest, blocks: RecommendationSet) -> tuple[str, Scores]:
    """Name and scores of each candidate."""
    candidate: Candidate = request.param
    assert candidate.refusal(blocks.earlier.histories, blocks.items) is None
    return candidate.name, candidate.fit(blocks.earlier.histories, blocks.items, 0).eval()


def test_every_candidate_knows_which_half_is_whose(
    learned: tuple[str, Scores], blocks: RecommendationSet
) -> None:
    """All but popularity score a user's own half above the other one."""
    name, module = learned
    batch = batch_of(blocks.earlier.histories, np.arange(60))
    scores = module(*batch.inputs())
    left, right = scores[:, : ITEMS // 2].mean(dim=1), scores[:, ITEMS // 2 :].mean(dim=1)
    is_left = batch.history[:, 0] < ITEMS // 2
    if name != Popularity.name:
        assert ((left > right) == is_left).float().mean() > 0.9


def test_padding_and_other_users_change_nothing(
    learned: tuple[str, Scores], blocks: RecommendationSet
) -> None:
    """A user scored alone gets what they get beside a user with a longer history."""
    histories, module = blocks.earlier.histories, learned[1]
    together = module(*batch_of(histories, np.arange(20)).inputs())
    alone = torch.cat([module(*batch_of(histories, np.array([u])).inputs()) for u in range(20)])
    assert torch.allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_scores_outside_the_graph_are_those_inside(
    learned: tuple[str, Scores], blocks: RecommendationSet
) -> None:
    """Sparse matrices and the exported module say the same."""
    batch = batch_of(blocks.earlier.histories, np.arange(60))
    inside = learned[1](*batch.inputs()).detach().numpy()
    assert learned[1].of(batch) == pytest.approx(inside, rel=1e-4, abs=1e-5)


def test_the_winner_finds_the_own_half(found: Fitted, blocks: RecommendationSet) -> None:
    """What is new to a user and of their half comes before all of the other half."""
    batch = batch_of(blocks.later.histories, np.arange(60))
    best = found.module(*batch.inputs()).topk(5).indices
    is_left = (batch.history[:, :1] < ITEMS // 2).expand(-1, 5)
    assert ((best < ITEMS // 2) == is_left).float().mean() > 0.95


def test_a_factored_winner_is_one_inner_product(found: Fitted, blocks: RecommendationSet) -> None:
    """Scores are query times item vectors, with those of the history's items from `repeat`."""
    module = found.module
    assert isinstance(module, FactorScores)
    batch = batch_of(blocks.later.histories, np.arange(40))
    expected = module.query(*batch.inputs()) @ module.item_vectors.T
    repeat = module.repeat(batch.history, batch.facts, batch.activity)  # type: ignore[operator]  # torch types attributes as tensors
    row, place = torch.nonzero(batch.history >= 0, as_tuple=True)
    expected[row, batch.history[row, place]] = repeat[row, place]
    assert torch.allclose(module(*batch.inputs()), expected, atol=1e-4)


def test_outcomes_of_the_test_window_stay_unread(found: Fitted, blocks: RecommendationSet) -> None:
    """A set without them trains the same model, bit for bit."""
    later = Window(blocks.later.histories, None)  # type: ignore[arg-type]  # reading it would raise
    blind = trained(RecommendationSet(blocks.folder, blocks.items, blocks.earlier, later))
    batch = batch_of(blocks.later.histories, np.arange(20))
    assert blind.model == found.model
    assert torch.equal(blind.module(*batch.inputs()), found.module(*batch.inputs()))


def test_scores_are_calibrated_log_odds() -> None:
    """The sum of probabilities is the number of outcomes, within a third."""
    data = data_of(LOGS["latent"](400, 60, 25, seed=1, repeats=True))
    module = trained(data).module
    users = np.arange(len(data.later.histories))
    chances = torch.sigmoid(module(*batch_of(data.later.histories, users).inputs()))
    assert float(chances.sum()) == pytest.approx(len(data.later.outcomes.items), rel=0.33)


def test_order_is_seen_where_it_tells_most() -> None:
    """On chains the winner reads the order: it beats all that do not."""
    data = data_of(LOGS["ordered"](600, 80, 15, seed=2))
    fitted = trained(data, repeats=False)
    blind = {each.name: each.ndcg_new for each in fitted.candidates}
    batch = batch_of(data.later.histories, np.arange(len(data.later.histories)))
    scores = fitted.module(*batch.inputs()).numpy()
    row, place = np.nonzero(batch.history.numpy() >= 0)
    scores[row, batch.history.numpy()[row, place]] = -np.inf
    new = new_outcomes(data.later.outcomes, data.later.histories)
    won = np.nanmean(ndcg_per_user(np.argsort(-scores, axis=1)[:, :5], new, 5))
    assert won > 1.2 * max(blind["implicit ALS, penalty 0.5"], blind["item-kNN"])


def test_latent_tastes_are_found_where_nobody_comes_back() -> None:
    """Without a single repeat the winner is more than twice as good as popularity."""
    fitted = trained(data_of(LOGS["latent"](400, 150, 25, seed=1)), repeats=False)
    by_name = {each.name: each.ndcg_new for each in fitted.candidates}
    assert by_name[fitted.model] > 2 * by_name["popularity"]


def test_an_item_without_users_finds_those_who_like_its_kind() -> None:
    """Of two items that nobody knows, users prefer the one that shares its brand with theirs."""
    rng = np.random.default_rng(5)
    users = np.repeat(np.arange(USERS), 12)
    items = rng.integers(0, 20, len(users)) + (users % 2) * 20
    ids = [f"i{item}" for item in range(42)]
    brands = tuple("right" if 20 <= item < 40 or item == 41 else "left" for item in range(42))
    log = LOGS["Log"](users, items, rng.uniform(0, 100, len(users)))
    data = LOGS["recommendation_set"](log, 100.0, 20.0, ids, attributes={"brand": brands})
    histories = data.later.histories
    scores = trained(data).module(*batch_of(histories, np.arange(60)).inputs())
    is_left = torch.from_numpy(histories.items[histories.offsets[:60]] < 20)
    assert ((scores[:, 40] > scores[:, 41]) == is_left).float().mean() > 0.9


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


def test_names_and_lines_are_for_people(found: Fitted, said: list[str]) -> None:
    """Each line names a model and both numbers."""
    assert found.model.startswith("own history with ")
    assert any(line.startswith(f"{found.model}: ") for line in said)
    assert all("NDCG@5" in line and "of new items" in line for line in said)
    assert not any("nan" in line or "(" in line.split(":")[0] for line in said)
