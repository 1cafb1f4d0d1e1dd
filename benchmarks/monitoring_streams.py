"""Synthetic users of a served model, window by window, and everything that can go wrong with them.

36 features: normal ones, heavy-tailed ones, counts that are mostly zero, codes of a thousand
levels, and ones that are missing for a third of the users. Three hidden traits of each user make
them correlated, and rows of one user are alike (70% of a feature's variance is the user's own). A
window has so many rows; a user has one, two or three. The model is right: outcomes are drawn from
its scores, one in ten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import (
    average_precision,
    expected_calibration_error,
    grade_outcomes,
    roc_auc,
)
from tidemill.grading import grade, grade_thresholds
from tidemill_monitoring.performance import Promise
from tidemill_monitoring.volumes import EARLIER_WINDOWS, DailyCounts

FAMILIES = {"normal": 9, "heavy": 9, "count": 9, "code": 6, "sparse": 3}
NAMES = tuple(f"{family}_{number}" for family, size in FAMILIES.items() for number in range(size))
EVENTS = 12
DAYS = 7
SHARES = (0.1, 0.2, 0.3)
USERS_PER_ROW = 0.5
START = datetime(2024, 1, 1, tzinfo=UTC)

_OWN = 0.7
_LEVELS = 1_000
_SENSES = 0.9


@dataclass(frozen=True)
class Window:
    """One row per user, as the monitor reduces a window to; and the log's daily counts."""

    users: NDArray[np.str_]
    vectors: NDArray[np.float32]
    rebuilt: NDArray[np.float32]
    """What the features are defined to be; serving read `vectors`."""
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    daily: DailyCounts
    start: datetime

    @property
    def grades(self) -> NDArray[np.str_]:
        return grade(self.scores, grade_thresholds(self.scores, SHARES))


class Stream:
    """An endless calm stream; `returning` users are the same in every window."""

    def __init__(self, seed: int, rows: int, returning: bool) -> None:
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        self._rows, self._returning = rows, returning
        self._users = max(1, round(rows * USERS_PER_ROW))
        self._number = 0
        self._traits = self._own()
        self._code_of = np.random.default_rng(0).permutation(_LEVELS).astype(np.float32)
        self._rates = np.exp(self._rng.uniform(np.log(5), np.log(500), EVENTS))
        self._daily = self._count_days(DAYS * (EARLIER_WINDOWS + 1))

    def window(self) -> Window:
        """The next week."""
        self._number += 1
        if not self._returning:
            self._traits = self._own()
        vectors = self._vectors()
        scores = score(vectors)
        labels = self._rng.random(len(scores)) < scores
        prefix = "user" if self._returning else f"user {self._number}"
        users = np.char.add(f"{prefix} ", np.arange(self._users).astype(str))
        self._daily = np.concatenate([self._count_days(DAYS), self._daily[:, :-DAYS]], axis=1)
        start = START + timedelta(days=DAYS * self._number)
        daily = as_counts(self._daily, start + timedelta(days=DAYS))
        return Window(users, vectors, vectors, scores, labels, daily, start)

    def _own(self) -> NDArray[np.float32]:
        """The lasting part of each user's features, correlated through three traits."""
        traits = self._rng.normal(size=(self._users, 3)).astype(np.float32)
        loads = np.random.default_rng(1).normal(size=(3, len(NAMES))).astype(np.float32)
        own = traits @ (loads / np.linalg.norm(loads, axis=0)) * np.float32(0.6**0.5)
        own += self._rng.normal(size=own.shape).astype(np.float32) * np.float32(0.4**0.5)
        return own

    def _vectors(self) -> NDArray[np.float32]:
        """The newest of each user's rows; that there were more changes nothing about it."""
        noise = self._rng.standard_normal(self._traits.shape, dtype=np.float32)
        hidden = self._traits * np.float32(_OWN**0.5) + noise * np.float32((1 - _OWN) ** 0.5)
        families = np.repeat(list(FAMILIES), list(FAMILIES.values()))
        heavy, count, code = (hidden[:, families == name] for name in ("heavy", "count", "code"))
        hidden[:, families == "heavy"] = np.exp(1.5 * heavy)
        rates = np.linspace(-3, 1, count.shape[1], dtype=np.float32)
        hidden[:, families == "count"] = self._rng.poisson(np.exp(rates + count))
        hidden[:, families == "code"] = self._code_of[_levels(code)]
        sparse = hidden[:, families == "sparse"]
        sparse[self._rng.random(sparse.shape) < 1 / 3] = np.nan
        hidden[:, families == "sparse"] = sparse
        return hidden

    def _count_days(self, days: int) -> NDArray[np.int64]:
        """Newest first: Poisson around weekdays and days of 5% more or less."""
        weekday = 1 + 0.3 * np.sin(np.arange(days) / 7 * 2 * np.pi)
        usual = np.exp(self._rng.normal(0, 0.05, (EVENTS, days))) * weekday
        return self._rng.poisson(self._rates[:, None] * usual)


def score(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The model: a logistic function of three normal features and three counts."""
    first = FAMILIES["normal"] + FAMILIES["heavy"] + 4
    counts = np.log1p(np.maximum(vectors[:, first : first + 3], 0))
    inputs = vectors[:, :3].sum(axis=1) + counts.sum(axis=1)
    logits = _SENSES * np.nan_to_num(inputs.astype(np.float64)) - 4.6
    return np.asarray(1 / (1 + np.exp(-logits)))


def promise_of(window: Window) -> Promise:
    """What a model shows on its test window."""
    metrics = {
        "auc": roc_auc(window.labels, window.scores),
        "average_precision": average_precision(window.labels, window.scores),
        "ece": expected_calibration_error(window.labels, window.scores),
    }
    lifts = {each.grade: each.lift for each in grade_outcomes(window.labels, window.grades)}
    base = float(window.labels.mean())
    return Promise("1", metrics, lifts, base, window.users, window.scores, window.labels)


def as_counts(counts: NDArray[np.int64], end: datetime) -> DailyCounts:
    """Day 0 is the last before `end`."""
    days = counts.shape[1]
    names = tuple(f"event {number}" for number in range(len(counts)))
    firsts, lasts = [], []
    for row in counts:
        seen = np.flatnonzero(row)
        firsts.append(end - timedelta(days=int(seen[-1]) + 1))
        lasts.append(end - timedelta(days=int(seen[0]), hours=1))
    return DailyCounts(names, counts, tuple(firsts), tuple(lasts), days)


def _levels(hidden: NDArray[np.float32]) -> NDArray[np.intp]:
    """Levels whose shares fall like 1/rank."""
    from scipy.stats import norm

    shares = np.cumsum(1 / np.arange(1, _LEVELS + 1))
    return np.searchsorted(norm.ppf(shares[:-1] / shares[-1]), hidden)


Fault = Callable[[Window, int, np.random.Generator], Window]
"""(calm window, weeks since the fault began from 1, random numbers of the fault)."""


def _edit(
    change: Callable[[NDArray[np.float32], int, np.random.Generator], None], skewed: bool = False
) -> Fault:
    """Vectors changed in place, and scored as changed; the rebuild agrees unless `skewed`."""

    def fault(window: Window, week: int, rng: np.random.Generator) -> Window:
        vectors = window.vectors.copy()
        change(vectors, week, rng)
        rebuilt = window.vectors if skewed else vectors
        return replace(window, vectors=vectors, rebuilt=rebuilt, scores=score(vectors))

    return fault


def _column(rng: np.random.Generator, *families: str) -> int:
    return int(rng.choice([i for i, name in enumerate(NAMES) if name.split("_")[0] in families]))


def _shift(x: NDArray[np.float32], _: int, rng: np.random.Generator) -> None:
    x[:, _column(rng, "normal")] += 0.25


def _ramp(x: NDArray[np.float32], week: int, rng: np.random.Generator) -> None:
    x[:, _column(rng, "normal")] += 0.5 * min(week, 8) / 8


def _unit(x: NDArray[np.float32], _: int, rng: np.random.Generator) -> None:
    x[:, _column(rng, "normal", "heavy", "count", "sparse")] *= 100


def _merge(x: NDArray[np.float32], _: int, rng: np.random.Generator) -> None:
    code = x[:, _column(rng, "code")]
    levels, counts = np.unique(code, return_counts=True)
    first, second = levels[np.argsort(-counts)[:2]]
    code[code == second] = first


def _nulls(x: NDArray[np.float32], _: int, rng: np.random.Generator) -> None:
    column = _column(rng, "normal", "heavy", "count", "code")
    x[rng.random(len(x)) < 0.1, column] = np.nan


def _served_otherwise(x: NDArray[np.float32], _: int, rng: np.random.Generator) -> None:
    column = _column(rng, "count")
    x[rng.random(len(x)) < 0.05, column] += 1


def _more_outcomes(window: Window, _: int, rng: np.random.Generator) -> Window:
    """The odds of everybody rise alike, until outcomes are half as frequent again."""
    odds, rate = window.scores / (1 - window.scores), window.scores.mean()
    raised = [factor * odds / (1 + factor * odds) for factor in np.linspace(1, 4, 301)]
    happens = min(raised, key=lambda each: abs(each.mean() - 1.5 * rate))
    return replace(window, labels=rng.random(len(happens)) < happens)


def _renamed(window: Window, week: int, rng: np.random.Generator) -> Window:
    """One name becomes another on the third day of the first week."""
    counts = window.daily.counts
    since = DAYS * week - 2
    index = int(rng.integers(EVENTS))
    renamed = np.zeros_like(counts[index])
    renamed[:since] = counts[index, :since]
    changed = np.concatenate([counts, renamed[None]])
    changed[index, :since] = 0
    return replace(window, daily=as_counts(changed, window.start + timedelta(days=DAYS)))


@dataclass(frozen=True)
class Case:
    """A fault, and which verdict must find it by when."""

    name: str
    concern: str
    fault: Fault
    within: int = 2


CASES = (
    Case("mean shift of 0.25 sd in one normal feature", "drift", _edit(_shift)),
    Case("a renamed event", "data quality", _renamed),
    Case("a unit change x100", "data quality", _edit(_unit)),
    Case("the second category merged into the first", "drift", _edit(_merge)),
    Case("10% nulls in a complete feature", "data quality", _edit(_nulls)),
    Case("base rate x1.5 (10% to 15%)", "base rate", _more_outcomes),
    Case("a ramp to 0.5 sd over 8 windows", "drift", _edit(_ramp), within=6),
    Case(
        "one feature served differently for 5% of users",
        "training/serving skew",
        _edit(_served_otherwise, skewed=True),
    ),
)
