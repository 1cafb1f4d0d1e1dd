"""`python benchmarks/position_bias.py`: rankers and estimates against a simulated truth.

Clicks are simulated where the truth is known: a user looks at position k with probability 1 / k^eta
and clicks an item looked at with its own probability of interest. In a tenth of the lists the first
item changes places with another one. Needs torch; takes a quarter of an hour on one core.

Rankers: 1,500 queries of 10 documents to learn from and as many to judge by; a small network with a
softmax over each list, its clicks weighted or not; NDCG@10 of true relevance.
Estimates: lists of 10 items for 300 users; another ranking of the same items is valued from the
clicks on the live one, and 90% intervals should hold its true value 9 times in 10.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill_pipelines.position_bias.comparisons import FEWEST_CLICKS
from tidemill_pipelines.position_bias.counts import Counts, count
from tidemill_pipelines.position_bias.feedback import Feedback
from tidemill_pipelines.position_bias.off_policy import Refused, Valuation, value
from tidemill_pipelines.position_bias.propensities import Propensities, estimate
from tidemill_pipelines.position_bias.weights import clipped_weights

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

QUERIES, LENGTH, FEATURES, HIDDEN = 1_500, 10, 10, 16
SWAPS = 0.1
GRADES = (-0.5, 0.3, 1.0, 1.7)
"""Where relevance, in standard deviations, becomes 1, 2, 3 and 4."""
CLICKED_AT_LEAST = 0.1
LIVE_KNOWS = 0.45
"""Correlation of the live ranking's scores with what makes documents relevant."""
SETTINGS = ((1.0, 30_000), (2.0, 30_000), (0.0, 30_000), (1.0, 5_000))
"""Eta and sessions."""
USERS, ITEMS = 300, 60
RANKERS = ("live", "naive", "true", "swaps, raw", "ours", "oracle")


@dataclass(frozen=True)
class World:
    """Documents to learn from and to judge by, and a ranking that is live."""

    features: NDArray[np.float32]
    """[2 x QUERIES, LENGTH, FEATURES]."""
    gains: Floats
    """[2 x QUERIES, LENGTH], 0 to 1."""
    live: Floats
    """[2 x QUERIES, LENGTH], scores."""

    @classmethod
    def drawn(cls, seed: int) -> World:
        rng = np.random.default_rng(seed)
        directions, _ = np.linalg.qr(rng.normal(size=(FEATURES, 2)))
        features = rng.normal(size=(2 * QUERIES, LENGTH, FEATURES))
        truth, other = features @ directions[:, 0], features @ directions[:, 1]
        noisy = truth + 0.1 * rng.normal(size=truth.shape)
        gains = (2.0 ** np.digitize(noisy, GRADES) - 1) / 15
        live = LIVE_KNOWS * truth + np.sqrt(1 - LIVE_KNOWS**2) * other
        return cls(features.astype(np.float32), gains, live)

    @property
    def interest(self) -> Floats:
        """P(click | looked at)."""
        return CLICKED_AT_LEAST + (1 - CLICKED_AT_LEAST) * self.gains


@dataclass(frozen=True)
class Sessions:
    """Lists that were shown and clicked; all [sessions, LENGTH]."""

    query: Integers
    """[sessions]."""
    document: Integers
    intended: Integers
    """Where the ranking had put it, from 1 on."""
    clicked: NDArray[np.bool_]

    @property
    def counts(self) -> Counts:
        return count(
            self.intended.ravel(), positions_of(self.clicked).ravel(), self.clicked.ravel()
        )

    def targets(self, weights: Floats, queries: int) -> Floats:
        """Weighted clicks [queries, LENGTH]."""
        found = np.zeros((queries, LENGTH))
        np.add.at(found, (self.query[:, None], self.document), self.clicked * weights)
        return found


def positions_of(lists: NDArray[np.generic]) -> Integers:
    return np.tile(np.arange(1, LENGTH + 1), (len(lists), 1))


def examination(eta: float) -> Floats:
    return np.asarray(np.arange(1, LENGTH + 1) ** -float(eta), np.float64)


def simulate(
    ranking: Integers, interest: Floats, eta: float, sessions: int, rng: np.random.Generator
) -> Sessions:
    """Lists by `ranking` [queries, LENGTH], of which a share is swapped."""
    query = rng.integers(0, len(ranking), sessions)
    place = np.tile(np.arange(LENGTH), (sessions, 1))
    rows = np.flatnonzero(rng.random(sessions) < SWAPS)
    other = rng.integers(1, LENGTH, len(rows))
    place[rows, 0], place[rows, other] = other, 0
    document = np.take_along_axis(ranking[query], place, axis=1)
    chance = examination(eta) * interest[query[:, None], document]
    return Sessions(query, document, place + 1, rng.random(chance.shape) < chance)


def joachims(sessions: Sessions) -> Floats:
    """Propensities as the ratio of the click rates of first items where they were shown: swapped
    to position k, and left at position 1."""
    place, clicked = positions_of(sessions.clicked), sessions.clicked
    was_first = sessions.intended == 1
    rates = [clicked[was_first & (place == k)].mean() for k in range(1, LENGTH + 1)]
    return np.asarray(np.maximum(rates, 1e-3) / rates[0], np.float64)


def learn(features: NDArray[np.float32], targets: Floats) -> Callable[..., Floats]:
    """A ranker by softmax cross-entropy within lists; returns its scores of features."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1)
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, weight_decay=1e-4)
    inputs = torch.from_numpy(features)
    share = torch.from_numpy((targets / targets.sum()).astype(np.float32))
    for _ in range(200):
        optimizer.zero_grad()
        loss = -(share * torch.log_softmax(network(inputs)[..., 0], dim=1)).sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch annotates it in part
        optimizer.step()
    return lambda given: network(torch.from_numpy(given))[..., 0].detach().numpy()


def ndcg(scores: Floats, gains: Floats) -> float:
    discount = 1 / np.log2(np.arange(LENGTH) + 2)
    best = -np.sort(-gains, axis=1) @ discount
    got = np.take_along_axis(gains, np.argsort(-scores, axis=1), axis=1) @ discount
    return float((got[best > 0] / best[best > 0]).mean())


def ours(counts: Counts) -> Floats:
    """Weights as `position_weights` gives them; 1 where it refuses."""
    if counts.swap_clicks < FEWEST_CLICKS:
        return np.ones(LENGTH)
    weights = clipped_weights(estimate(counts))
    return weights[np.minimum(np.arange(LENGTH), len(weights) - 1)]


def rank_all(eta: float, count_of: int, seed: int) -> list[float]:
    """NDCG@10 of RANKERS in one world."""
    world = World.drawn(seed)
    learned, judged = slice(0, QUERIES), slice(QUERIES, 2 * QUERIES)
    ranking = np.argsort(-world.live[learned], axis=1)
    rng = np.random.default_rng(seed + 1_000)
    sessions = simulate(ranking, world.interest[learned], eta, count_of, rng)

    def judge(targets: Floats) -> float:
        scores = learn(world.features[learned], targets)
        return ndcg(scores(world.features[judged]), world.gains[judged])

    weights = (
        np.ones(LENGTH),
        1 / examination(eta),
        1 / joachims(sessions),
        ours(sessions.counts),
    )
    return [
        ndcg(world.live[judged], world.gains[judged]),
        *(judge(sessions.targets(weight, QUERIES)) for weight in weights),
        judge(world.gains[learned]),
    ]


@dataclass(frozen=True)
class Market:
    """Lists of the live ranking and of another one, for each user the same ten items."""

    live: Integers
    """[USERS, LENGTH], items; in a document's place stands the column here."""
    interest: Floats
    """[USERS, LENGTH], of the item in each column."""
    other: Integers
    """[USERS, LENGTH], where the other ranking puts each column, from 1 on."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Market:
        appeal = rng.normal(size=ITEMS)
        taste = rng.normal(size=(USERS, ITEMS)) * 0.7
        interest = 1 / (1 + np.exp(1 - appeal - taste))
        noisy = interest + rng.normal(size=interest.shape) * 0.3
        live = np.argsort(-noisy, axis=1)[:, :LENGTH]
        seen = np.take_along_axis(interest, live, axis=1)
        better = np.argsort(-(seen + rng.normal(size=seen.shape) * 0.1), axis=1)
        return cls(live, seen, np.argsort(better, axis=1) + 1)

    def truth(self, eta: float) -> float:
        """Clicks on a list of the other ranking."""
        return float((examination(eta)[self.other - 1] * self.interest).sum(axis=1).mean())

    def feedback(self, sessions: Sessions, unseen: float = 0.0) -> Feedback:
        """With `unseen`, that share of what the other ranking shows was never shown."""
        rows = np.repeat(np.arange(len(sessions.query)), LENGTH)
        column = sessions.document.ravel()
        user = sessions.query[rows]
        proposed, item = self.other[user, column], self.live[user, column]
        gone = (item % 100) < unseen * ITEMS
        return Feedback(
            user=sessions.query,
            randomised=np.full(len(sessions.query), SWAPS),
            answer=rows,
            item=item,
            position=positions_of(sessions.clicked).ravel(),
            intended=sessions.intended.ravel(),
            proposed=np.where(gone, 0, proposed),
            clicked=sessions.clicked.ravel(),
            absent_answer=rows[gone],
            absent_item=item[gone] + ITEMS,
            absent_position=proposed[gone],
        )


def known(eta: float) -> Propensities:
    return Propensities(examination(eta), np.zeros((LENGTH, LENGTH)), 0, 1.0)


def valuations(
    eta: float, sessions: int, is_known: bool, repetitions: int, unseen: float = 0.0
) -> Iterable[tuple[float, Valuation | Refused]]:
    """The truth and what is said of it, in as many worlds."""
    ranking = np.tile(np.arange(LENGTH), (USERS, 1))
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        market = Market.drawn(rng)
        shown = simulate(ranking, market.interest, eta, sessions, rng)
        propensities = known(eta) if is_known else estimate(shown.counts)
        yield market.truth(eta), value(market.feedback(shown, unseen), propensities, seed)


def covered(found: Iterable[tuple[float, Valuation | Refused]]) -> dict[str, float]:
    """Share of intervals that hold the truth, by estimate; and of refusals."""
    said = list(found)
    sound = [(truth, each) for truth, each in said if isinstance(each, Valuation)]
    shares = {"refused": 1 - len(sound) / len(said)}
    for name in ("ips", "snips", "doubly_robust"):
        limits = [(truth, getattr(each, name)) for truth, each in sound]
        held = [each.lower <= truth <= each.upper for truth, each in limits]
        shares[name] = float(np.mean(held)) if held else float("nan")
        errors = [abs(each.value / truth - 1) for truth, each in limits]
        shares[f"{name} error"] = float(np.mean(errors)) if errors else float("nan")
    return shares


def show_rankers(seeds: int) -> None:
    print(f"| eta, sessions | {' | '.join(RANKERS)} | ours - naive |")
    print("|---" * (len(RANKERS) + 2) + "|")
    for eta, sessions in SETTINGS:
        found = np.array([rank_all(eta, sessions, seed) for seed in range(seeds)])
        gain = found[:, RANKERS.index("ours")] - found[:, RANKERS.index("naive")]
        cells = " | ".join(f"{mean:.3f}" for mean in found.mean(axis=0))
        spread = f"{gain.mean():+.3f} ({gain.min():+.3f} to {gain.max():+.3f})"
        print(f"| {eta:g}, {sessions:,} | {cells} | {spread} |", flush=True)


def show_estimates(repetitions: int) -> None:
    names = ("IPS", "SNIPS", "DR")
    print(f"\n| eta, sessions, propensities, shown | {' | '.join(names)} | mean errors | refused |")
    print("|---" * 6 + "|")
    for eta, sessions, is_known, unseen in (
        (1.0, 2_000, True, 0.0),
        (1.0, 2_000, False, 0.0),
        (0.0, 2_000, False, 0.0),
        (1.0, 2_000, False, 0.1),
        (1.0, 2_000, False, 0.5),
        (1.0, 60, True, 0.0),
    ):
        shares = covered(valuations(eta, sessions, is_known, repetitions, unseen))
        keys = ("ips", "snips", "doubly_robust")
        cells, errors = " | ".join("-" for _ in keys), "-"
        if shares["refused"] < 1:
            cells = " | ".join(f"{shares[key]:.0%}" for key in keys)
            errors = ", ".join(f"{shares[f'{key} error']:.1%}" for key in keys)
        source = "known" if is_known else "estimated"
        print(
            f"| {eta:g}, {sessions:,}, {source}, {1 - unseen:.0%} | {cells} | {errors} "
            f"| {shares['refused']:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    show_rankers(given.seeds)
    show_estimates(given.repetitions)
