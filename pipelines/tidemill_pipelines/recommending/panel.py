"""Users that candidates are judged and blended on, and what each candidate says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.recommendation.histories import Outcomes, Window
from tidemill.recommendation.ranking import (
    PerUser,
    ndcg_per_user,
    new_outcomes,
    recall_per_user,
)
from tidemill_pipelines.recommending.candidates.batches import (
    Batch,
    Users,
    batches,
    lengths_of,
    subset,
)
from tidemill_pipelines.recommending.candidates.candidate import Scores

_MOST_USERS = 3_000
_MOST_CELLS = 100_000_000
_SOME_CELLS = 2_000_000
_FEWEST_USERS = 200
_BEST = 40
_RANDOM = 60
"""Items of each user that stand for all that no candidate ranks high."""
_NEVER = -1e9


@dataclass(frozen=True)
class Panel:
    """A sample of a window's users: half of them with outcomes where those are rare."""

    window: Window
    users: Users
    """[m], by the length of their histories: of like length they are padded less."""
    weights: NDArray[np.float64]
    """[m], how many users each stands for."""
    is_first_half: NDArray[np.bool_]
    """[m], to blend on one half and judge on the other."""
    count: int
    """Places that are judged."""
    outcomes: Outcomes
    """Of these users."""
    new: Outcomes
    """Those with items that were not in the user's history."""


@dataclass(frozen=True)
class Judged:
    """Metrics of one ranking, for each user of the panel; NaN without an outcome."""

    ndcg: PerUser
    ndcg_new: PerUser
    recall: PerUser
    recall_new: PerUser


@dataclass(frozen=True)
class Cells:
    """Pairs of user and item that candidates are blended on, and their scores there."""

    user: NDArray[np.int64]
    """[cells], position in the panel, ascending."""
    item: NDArray[np.int64]
    is_own: NDArray[np.bool_]
    """Whether the item is in the user's history."""
    label: NDArray[np.bool_]
    """Whether it was among the outcomes."""
    weight: NDArray[np.float64]
    """How many such pairs it stands for."""
    facts: NDArray[np.float32]
    """[cells, FACTS], 0 for new items."""
    scores: NDArray[np.float32]
    """[cells, candidates]."""


def panel_of(window: Window, items: int, count: int, seed: int) -> Panel:
    """All users, or as many of those with and without outcomes as can be scored."""
    most = int(np.clip(_MOST_CELLS // max(items, 1), _FEWEST_USERS, _MOST_USERS))
    rng = np.random.default_rng(seed)
    has_outcome = np.diff(window.outcomes.offsets) > 0
    groups = [np.flatnonzero(has_outcome), np.flatnonzero(~has_outcome)]
    sizes = _shares(len(groups[0]), len(groups[1]), most)
    drawn = [rng.choice(g, size, replace=False) for g, size in zip(groups, sizes, strict=True)]
    weights = [np.full(len(d), len(g) / max(len(d), 1)) for d, g in zip(drawn, groups, strict=True)]
    users = np.concatenate(drawn)
    order = np.argsort(lengths_of(window.histories)[users], kind="stable")
    is_first_half = rng.random(len(users)) < 0.5
    return _panel(window, users[order], np.concatenate(weights)[order], is_first_half, count)


def some_users(panel: Panel, items: int, seed: int) -> NDArray[np.bool_]:
    """[m], random users, as few as can cheaply be looked at again."""
    count = min(max(_SOME_CELLS // max(items, 1), _FEWEST_USERS), len(panel.users))
    chosen = np.random.default_rng(seed).permutation(len(panel.users))[:count]
    members = np.zeros(len(panel.users), np.bool_)
    members[chosen] = True
    return members


def narrowed(panel: Panel, members: NDArray[np.bool_]) -> Panel:
    """The same of some of its users, `members` [m]."""
    halves, weights = panel.is_first_half[members], panel.weights[members]
    return _panel(panel.window, panel.users[members], weights, halves, panel.count)


def _panel(
    window: Window,
    users: Users,
    weights: NDArray[np.float64],
    is_first_half: NDArray[np.bool_],
    count: int,
) -> Panel:
    outcomes = outcomes_of(window.outcomes, users)
    new = new_outcomes(outcomes, subset(window.histories, users))
    return Panel(window, users, weights, is_first_half, count, outcomes, new)


def _shares(first: int, second: int, most: int) -> tuple[int, int]:
    if first + second <= most:
        return first, second
    taken = min(first, max(most // 2, most - second))
    return taken, min(second, most - taken)


def observe(panel: Panel, candidates: Sequence[Scores], seed: int) -> Cells:
    """Score all items for the panel once with each candidate; keep what judging and blending need.

    That is each candidate's best new items, the outcomes, the own history, and random items that
    stand for the rest. A candidate's own first places are all among them, so that its metrics are
    exact; those of a blend, which may put others first, are right on average.
    """
    items = candidates[0].items
    rng = np.random.default_rng(seed)
    parts, done = [], 0
    for users, batch in batches(panel.window.histories, panel.users, items):
        scores = [each.of(batch) for each in candidates]
        own = batch.history.numpy()
        pool = [_top(_without_own(each, own), max(_BEST, panel.count)) for each in scores]
        cells = _cells(panel.window, users, batch, scores, pool, rng)
        parts.append(replace(cells, user=cells.user + done))
        done += len(users)
    return _joined(parts)


def judge(panel: Panel, cells: Cells, scores: NDArray[np.floating]) -> Judged:
    """Metrics of the ranking that scores [cells] make, of all items and of those that are new."""
    ranked = _ranked(panel, cells, scores)
    ranked_new = _ranked(panel, cells, np.where(cells.is_own, -np.inf, scores))
    return Judged(
        ndcg_per_user(ranked, panel.outcomes, panel.count),
        ndcg_per_user(ranked_new, panel.new, panel.count),
        recall_per_user(ranked, panel.outcomes, panel.count),
        recall_per_user(ranked_new, panel.new, panel.count),
    )


def _ranked(panel: Panel, cells: Cells, scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """[m, count] items, best first; -1 where scores are -inf, and where items stand unseen.

    A cell that stands for many takes the places of all of them: outcomes are always among the
    cells, and would else rise above everything that was not drawn.
    """
    starts = np.searchsorted(cells.user, np.arange(len(panel.users)))
    place = np.arange(len(cells.user)) - starts[cells.user]
    table = np.full((len(starts), int(place.max(initial=0)) + panel.count), -np.inf, np.float32)
    table[cells.user, place] = scores
    best = torch.from_numpy(table).topk(panel.count)
    at = np.minimum(starts[:, None] + best.indices.numpy(), len(place) - 1)
    weights = cells.weight[at]
    places = (np.cumsum(weights, axis=1) - weights).astype(np.int64)
    row, column = np.nonzero(np.isfinite(best.values.numpy()) & (places < panel.count))
    ranked = np.full(at.shape, -1, np.int64)
    ranked[row, places[row, column]] = cells.item[at[row, column]]
    return ranked


def _top(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """[n, count], best first; -1 where there is nothing more."""
    found = torch.from_numpy(scores).topk(min(count, scores.shape[1]))
    items = np.where(found.values.numpy() > _NEVER / 2, found.indices.numpy(), -1)
    return np.pad(items, ((0, 0), (0, count - items.shape[1])), constant_values=-1)


def _without_own(scores: NDArray[np.float32], own: NDArray[np.int64]) -> NDArray[np.float32]:
    masked = scores.copy()
    row, place = np.nonzero(own >= 0)
    masked[row, own[row, place]] = _NEVER
    return masked


def _cells(
    window: Window,
    users: Users,
    batch: Batch,
    scores: Sequence[NDArray[np.float32]],
    pool: Sequence[NDArray[np.int64]],
    rng: np.random.Generator,
) -> Cells:
    """The cells of a few users; `user` counts from the first of them."""
    items = scores[0].shape[1]
    outcomes = outcomes_of(window.outcomes, users)
    rows = np.repeat(np.arange(len(users)), np.diff(outcomes.offsets))
    labelled = rows * items + outcomes.items
    own_row, place = np.nonzero(batch.history.numpy() >= 0)
    own = own_row * items + batch.history.numpy()[own_row, place]
    seen = np.concatenate([_row_keys(each, items) for each in pool])
    certain = _distinct(np.concatenate([labelled, own, seen]))
    drawn = np.setdiff1d(_distinct(_draw(len(users), items, rng)), certain, assume_unique=True)
    keys = np.concatenate([certain, drawn])
    order = np.argsort(keys)
    user, item = np.divmod(keys[order], items)
    weight = np.concatenate([np.ones(len(certain)), _stands_for(certain, drawn, items, len(users))])
    facts = np.zeros((len(keys), batch.facts.shape[2]), np.float32)
    facts[np.searchsorted(keys[order], own)] = batch.facts.numpy()[own_row, place]
    return Cells(
        user=user,
        item=item,
        is_own=np.isin(keys[order], own),
        label=np.isin(keys[order], labelled),
        weight=weight[order],
        facts=facts,
        scores=np.stack([each[user, item] for each in scores], axis=1),
    )


def _distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ascending; by sorting, which is several times faster here than np.unique's hashing."""
    found = np.sort(keys)
    return found[np.diff(found, prepend=-1) > 0]


def _row_keys(chosen: NDArray[np.int64], items: int) -> NDArray[np.int64]:
    row, place = np.nonzero(chosen >= 0)
    return row * items + chosen[row, place]


def _draw(users: int, items: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Keys of random items for each user; of a small catalogue all."""
    if items <= 2 * _RANDOM:
        return np.arange(users * items)
    drawn = rng.integers(0, items, (users, _RANDOM))
    return (np.arange(users)[:, None] * items + drawn).ravel()


def _stands_for(
    certain: NDArray[np.int64], drawn: NDArray[np.int64], items: int, users: int
) -> NDArray[np.float64]:
    """How many pairs each drawn one stands for: all of its user's that are not certain."""
    left = items - np.bincount(certain // items, minlength=users)
    sampled = np.bincount(drawn // items, minlength=users)
    return (left / np.maximum(sampled, 1))[drawn // items]


def outcomes_of(outcomes: Outcomes, users: Users) -> Outcomes:
    """The outcomes of some users, in their order."""
    lengths = np.diff(outcomes.offsets)[users]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    at = np.repeat(outcomes.offsets[users] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Outcomes(offsets, outcomes.items[at], outcomes.values[at])


def _joined(parts: Sequence[Cells]) -> Cells:
    names = [field.name for field in fields(Cells)]
    return Cells(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
