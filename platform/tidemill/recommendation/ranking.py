"""How good rankings are: accuracy for each user, and what lists look like to all of them.

Metrics are over the full catalogue: sampled ones can reverse the order of models (Krichene &
Rendle 2020). A ranking is an array [n, k] of positions in the item list, best first, -1 where
there is nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, Outcomes

Ranking = NDArray[np.integer]
PerUser = NDArray[np.float64]


def ndcg_per_user(
    ranked: Ranking, outcomes: Outcomes, k: int, gains: NDArray[np.floating] | None = None
) -> PerUser:
    """Normalised discounted cumulative gain of the first k places (Järvelin & Kekäläinen 2002).

    The best possible list holds the user's min(k, outcomes) most valuable items. `gains` is what
    each item of the catalogue is worth, 1 if left out. NaN for users without an outcome.
    """
    worth = np.ones(_items(ranked, outcomes)) if gains is None else np.asarray(gains, np.float64)
    top = ranked[:, :k]
    gained = np.where(_hits(top, outcomes), worth[top], 0.0) @ _discounts(top.shape[1])
    return _ratio(gained, _ideal(outcomes, worth, k))


def recall_per_user(ranked: Ranking, outcomes: Outcomes, k: int) -> PerUser:
    """Outcomes among the first k places, of the min(k, outcomes) that could be there.

    NaN for users without an outcome.
    """
    found = _hits(ranked[:, :k], outcomes).sum(axis=1, dtype=np.float64)
    return _ratio(found, np.minimum(np.diff(outcomes.offsets), k).astype(np.float64))


def without(ranked: Ranking, histories: Histories) -> NDArray[np.int64]:
    """The ranking without items of the user's own history, its places closed up; same shape.

    Rank deeper than you judge: what is left is shorter by the items taken out.
    """
    own = Outcomes(*_sorted_rows(histories.offsets, histories.items), np.empty(0, np.float32))
    kept = (ranked >= 0) & ~_hits(ranked, own)
    order = np.argsort(~kept, axis=1, kind="stable")
    closed = np.take_along_axis(np.where(kept, ranked, -1), order, axis=1)
    return closed.astype(np.int64)


def new_outcomes(outcomes: Outcomes, histories: Histories) -> Outcomes:
    """The outcomes with items that were not in the user's history."""
    items = _stride(outcomes.items, histories.items)
    keys = _keys(outcomes.offsets, outcomes.items, items)
    new = ~np.isin(keys, _keys(histories.offsets, histories.items, items))
    counts = np.bincount(_rows(outcomes.offsets)[new], minlength=len(outcomes.offsets) - 1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Outcomes(offsets, outcomes.items[new], outcomes.values[new])


def coverage(ranked: Ranking, items: int) -> float:
    """Share of the catalogue that at least one user is offered."""
    return len(np.unique(ranked[ranked >= 0])) / max(items, 1)


def novelty(ranked: Ranking, popularity: NDArray[np.floating]) -> float:
    """Mean self-information of the places, bits (Zhou et al. 2010).

    `popularity` is the share of users who know each item. An item nobody knows counts as known to
    half as many as the least known one.
    """
    known = popularity[popularity > 0]
    floor = known.min() / 2 if len(known) else 1.0
    return _mean(-np.log2(np.maximum(popularity, floor))[ranked[ranked >= 0]])


def diversity(ranked: Ranking, attributes: Mapping[str, Sequence[str | None]]) -> float:
    """Mean share of attributes in which two items of one list differ (Ziegler et al. 2005).

    Attributes that either item lacks do not count. NaN where nothing can be compared.
    """
    differing, compared = 0, 0
    for values in attributes.values():
        codes = _codes(values)[ranked]
        known = (codes >= 0) & (ranked >= 0)
        both = known.sum(axis=1) * (known.sum(axis=1) - 1) // 2
        compared += int(both.sum())
        differing += int(both.sum()) - _equal_pairs(codes, known)
    return differing / compared if compared else float("nan")


def popularity_share(ranked: Ranking, popularity: NDArray[np.floating]) -> float:
    """Share of the places that go to the k most popular items, k being the lists' length.

    1 where everybody is offered the same chart.
    """
    chart = np.argsort(-popularity, kind="stable")[: ranked.shape[1]]
    return _mean(np.isin(ranked[ranked >= 0], chart))


@dataclass(frozen=True)
class PairedDifference:
    """Mean over users of one model's metric minus another's."""

    difference: float
    lower: float
    """5% quantile of the bootstrap: above 0 means better with 95% confidence."""
    upper: float
    """95% quantile."""
    standard_error: float
    users: int


def paired_mean_difference(
    first: PerUser, second: PerUser, seed: int, draws: int = 1000
) -> PairedDifference:
    """Compare two models on the users that both have a value for (Efron & Tibshirani 1993)."""
    gaps = first - second
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        return PairedDifference(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    means = np.array([gaps[rng.integers(0, len(gaps), len(gaps))].mean() for _ in range(draws)])
    lower, upper = np.quantile(means, (0.05, 0.95))
    error = gaps.std() / np.sqrt(len(gaps))
    return PairedDifference(float(gaps.mean()), float(lower), float(upper), float(error), len(gaps))


def _hits(ranked: Ranking, outcomes: Outcomes) -> NDArray[np.bool_]:
    """Whether each place holds one of the user's outcomes."""
    items = _items(ranked, outcomes)
    keys = _keys(outcomes.offsets, outcomes.items, items)
    asked = np.arange(len(ranked))[:, None] * np.int64(items) + ranked
    if not len(keys):
        return np.zeros(ranked.shape, np.bool_)
    found = keys[np.minimum(np.searchsorted(keys, asked), len(keys) - 1)] == asked
    return np.asarray(found & (ranked >= 0), np.bool_)


def _ideal(outcomes: Outcomes, worth: NDArray[np.float64], k: int) -> PerUser:
    rows, gains = _rows(outcomes.offsets), worth[outcomes.items]
    order = np.lexsort((-gains, rows))
    place = np.arange(len(order)) - np.repeat(outcomes.offsets[:-1], np.diff(outcomes.offsets))
    discounted = np.where(place < k, gains[order] / np.log2(place + 2), 0.0)
    return np.asarray(np.bincount(rows, discounted, len(outcomes.offsets) - 1), np.float64)


def _discounts(k: int) -> NDArray[np.float64]:
    return np.asarray(1 / np.log2(np.arange(k) + 2))


def _ratio(gained: PerUser, possible: PerUser) -> PerUser:
    ratio = np.full(len(gained), np.nan)
    return np.asarray(np.divide(gained, possible, out=ratio, where=possible > 0))


def _items(ranked: Ranking, outcomes: Outcomes) -> int:
    return _stride(ranked, outcomes.items)


def _stride(*items: NDArray[np.integer]) -> int:
    return 1 + max([0, *(int(each.max()) for each in items if each.size)])


def _rows(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _keys(offsets: NDArray[np.int64], items: NDArray[np.integer], stride: int) -> NDArray[np.int64]:
    """One number for each pair of user and item, ascending where each user's items are."""
    return _rows(offsets) * np.int64(stride) + items


def _sorted_rows(
    offsets: NDArray[np.int64], items: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return offsets, items[np.lexsort((items, _rows(offsets)))]


def _codes(values: Sequence[str | None]) -> NDArray[np.int64]:
    known = {value: code for code, value in enumerate(sorted({v for v in values if v is not None}))}
    return np.array([-1 if value is None else known[value] for value in values], np.int64)


def _equal_pairs(codes: NDArray[np.int64], known: NDArray[np.bool_]) -> int:
    """Pairs of places in one row with the same known code."""
    flat = (np.arange(len(codes))[:, None] * (codes.max(initial=0) + 1) + codes)[known]
    _, counts = np.unique(flat, return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


def _mean(values: NDArray[np.bool_] | NDArray[np.floating]) -> float:
    return float(np.mean(values)) if values.size else float("nan")
