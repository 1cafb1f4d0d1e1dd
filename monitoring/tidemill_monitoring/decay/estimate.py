"""What performance to expect before outcomes are known, from the scores alone.

If scores are calibrated, each user is a positive with the probability his score says, so AUC, base
rate and lift have an expectation (the idea of CBPE, confidence-based performance estimation). It
sees a population that became harder to rank; it cannot see that the world changed under the
features, which is why it never asks for action, and is compared with what happened later.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import GRADES
from tidemill.evaluation import roc_auc
from tidemill_monitoring.decay.influence import Sides, Statistic, standard_errors
from tidemill_monitoring.intervals import Estimate
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict

LOSS_WATCH = 0.02
"""Expected AUC that must surely be lost to be worth a look."""
_SURE = 2.6
"""Standard errors: a chance of half a percent."""
_DRAWS = 200
_TIMES = 20_000_000
"""Draws times users; fewer draws for millions of users, whose ranges are narrow."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Expectation:
    """Expected measures of one set of answers, each with the 95% range of what would be seen."""

    users: int
    auc: Estimate
    base_rate: Estimate
    grade_a_lift: Estimate | None
    """None where nobody was graded A."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def expect(scores: Floats, grades: NDArray[np.str_], seed: int = 0) -> Expectation:
    """Expectation of the outcomes of users with these scores and grades, one row each."""
    rng = np.random.default_rng(seed)
    best = grades == GRADES[0]
    draws = int(np.clip(_TIMES // max(1, len(scores)), 40, _DRAWS))
    ranks = _mid_ranks(scores)
    seen = np.asarray([_simulate(scores, ranks, best, rng) for _ in range(draws)])
    rate = float(scores.mean())
    lift = float(scores[best].mean() / rate) if best.any() and rate else None
    return Expectation(
        users=len(scores),
        auc=Estimate.of(float(expected_auc(scores).value[0]), seen[:, 0]),
        base_rate=Estimate.of(rate, seen[:, 1]),
        grade_a_lift=None if lift is None else Estimate.of(lift, seen[:, 2]),
    )


def expected_auc(scores: Floats) -> Statistic:
    """AUC if each row is positive with the probability that `scores` [rows] says.

    NaN, without influence, when no outcome, or every one, is expected.
    """
    _, group = np.unique(scores, return_inverse=True)
    hits, misses = np.bincount(group, scores), np.bincount(group, 1 - scores)
    positives, negatives = hits.sum(), misses.sum()
    if not positives or not negatives:
        return Statistic(np.array([np.nan]), np.zeros((len(scores), 1)))
    below = (np.cumsum(misses) - misses / 2)[group] / negatives
    above = 1 - (np.cumsum(hits) - hits / 2)[group] / positives
    area = float((scores * below).sum() / positives)
    influence = scores * (below - area) / positives + (1 - scores) * (above - area) / negatives
    return Statistic(np.array([area]), influence[:, None])


def _simulate(
    scores: Floats, ranks: Floats, best: NDArray[np.bool_], rng: np.random.Generator
) -> list[float]:
    """AUC, base rate and lift of grade A of outcomes drawn from the scores.

    The AUC is the Mann-Whitney statistic of `ranks`, so that no draw has to sort.
    """
    labels = rng.random(len(scores)) < scores
    hits, rate = int(labels.sum()), float(labels.mean())
    pairs = hits * (len(labels) - hits)
    area = (float(ranks[labels].sum()) - hits * (hits + 1) / 2) / pairs if pairs else float("nan")
    lift = float(labels[best].mean() / rate) if rate and best.any() else float("nan")
    return [area, rate, lift]


def _mid_ranks(scores: Floats) -> Floats:
    """From 1; equal scores share the mean of their ranks."""
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return ranks


@dataclass(frozen=True)
class ScoredUsers:
    """One row per user, or several in the test window."""

    users: NDArray[np.str_]
    scores: Floats


def judge_estimate(
    then: ScoredUsers,
    now: ScoredUsers,
    grades: NDArray[np.str_],
    promised: float | None,
    backtest: dict[str, Any] | None,
) -> Verdict:
    """`then` is the test window, `promised` its realised AUC; `backtest` is of `backtest_of`.

    `grades` are those of `now`. Never more than a watch.
    """
    users, tested = len(now.scores), len(np.unique(then.users))
    if min(users, tested) < MINIMUM_USERS:
        sentence = (
            f"Only {users} users were scored by the live version in the window and "
            f"{tested} in its test window; an estimate needs {MINIMUM_USERS} of each."
        )
        few = {"users": users, "backtest": backtest}
        return Verdict(Concern.ESTIMATE, Status.UNDECIDED, sentence, few)
    found = expect(now.scores, grades)
    sides = Sides.of(then.users, now.users)
    before, one = expected_auc(then.scores), np.ones(1)
    change = sides.combine(before, expected_auc(now.scores), (one, -one))
    loss, error = float(change.value[0]), float(standard_errors(change.influence)[0])
    evidence: dict[str, Any] = {
        **found.to_json(),
        "assumes": ["calibrated scores", "no concept drift"],
        "auc_in_test_window": {
            "expected": float(before.value[0]),
            "observed": promised,
        },
        "auc_loss": {"expected": loss, "error": error},
        "base_rate_in_test_window": float(then.scores.mean()),
        "backtest": backtest,
    }
    status = Status.WATCH if loss - _SURE * error > LOSS_WATCH else Status.OK
    return Verdict(Concern.ESTIMATE, status, _describe(found, evidence), evidence)


def backtest_of(
    scores: Floats, grades: NDArray[np.str_], labels: NDArray[np.bool_]
) -> dict[str, Any]:
    """What would have been estimated for answers, beside what happened to them."""
    found = expect(scores, grades)
    best = grades == GRADES[0]
    rate = float(labels.mean())
    lift = float(labels[best].mean() / rate) if rate and best.any() else None
    return {
        "users": len(labels),
        "auc": _compare(found.auc, roc_auc(labels, scores)),
        "base_rate": _compare(found.base_rate, rate),
        "grade_a_lift": None if found.grade_a_lift is None else _compare(found.grade_a_lift, lift),
    }


def _compare(expected: Estimate, realised: float | None) -> dict[str, Any]:
    found = {**asdict(expected), "realised": None, "held": None}
    if realised is None or np.isnan(realised):
        return found
    held = bool(expected.lower <= realised <= expected.upper)
    return {**found, "realised": realised, "held": held}


def _describe(found: Expectation, evidence: dict[str, Any]) -> str:
    lift = "" if found.grade_a_lift is None else f", grade A x{found.grade_a_lift.observed:.1f}"
    text = (
        "An estimate that assumes calibrated scores and no concept drift: AUC "
        f"{found.auc.observed:.3f} ({found.auc.lower:.3f} to {found.auc.upper:.3f}), base rate "
        f"{found.base_rate.observed:.1%}{lift} among {found.users} users; the test window, "
        f"estimated alike, had AUC {evidence['auc_in_test_window']['expected']:.3f} and "
        f"{evidence['base_rate_in_test_window']:.1%}."
    )
    backtest = evidence["backtest"]
    if backtest is None or backtest["auc"]["realised"] is None:
        return text
    area = backtest["auc"]
    verdict = "held" if area["held"] else "did not hold"
    return (
        f"{text} For the newest known outcomes it {verdict}: AUC {area['observed']:.3f} expected, "
        f"{area['realised']:.3f} happened."
    )
