"""Can the outcome be told at all, and would more users help?"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.assessing.findings import Finding, blocking, cannot_say, ok, warning
from tidemill_pipelines.assessing.learning_curve import Curve, extrapolate
from tidemill_pipelines.assessing.skill import Skill
from tidemill_pipelines.assessing.wording import counted

CHANCE = 0.01
"""Of calling noise a signal."""
_STARVING = 0.02
"""AUC that doubling the users surely adds: what is trained now will soon be outgrown."""
_WHY_SIGNAL = "Where the past says nothing about the outcome, every model is noise with a number."
_WHY_CURVE = "A flat curve says that other data, and not more of the same, would help."


def judge_signal(skill: Skill) -> Finding:
    """Whether the model or the rule ranks later windows better than chance.

    By the Mann-Whitney test, whose statistic the AUC is, of the windows' mean weighted by
    precision; either may show it, so each has half of the level.
    """
    windows = [skill.test, *skill.earlier]
    weights = np.array([chance_error(window.labels) ** -2 for window in windows])
    model = float(np.average([window.model_auc for window in windows], weights=weights))
    rule = float(np.average([window.rule_auc for window in windows], weights=weights))
    least = 0.5 + NormalDist().inv_cdf(1 - CHANCE / 2) / float(np.sqrt(weights.sum()))
    positives = sum(int(window.labels.sum()) for window in windows)
    users = sum(len(window.labels) for window in windows)
    facts = {"auc": model, "rule_auc": rule, "least": least, "windows": len(windows)}
    seen = (
        f"A linear model tells the outcome with AUC {model:.3f} and the one-line rule that "
        f"was best before with {rule:.3f}, on {counted(len(windows), 'window')} later than what "
        f"was learnt from; with "
        f"{positives:,} positives among {users:,} users there, chance stays below {least:.3f}."
    )
    if max(model, rule) > least:
        return ok("signal", seen, _WHY_SIGNAL, **facts)
    return blocking(
        "signal",
        seen,
        _WHY_SIGNAL,
        "record what comes before the outcome (visits, searches, carts), check that outcomes and "
        "history carry the same user ids, or predict something nearer: a shorter `within`, a more "
        "frequent event",
        **facts,
    )


def chance_error(labels: NDArray[np.bool_]) -> float:
    """Standard error of the AUC of scores that know nothing (Mann & Whitney 1947)."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    return float(np.sqrt((len(labels) + 1) / (12 * max(1, positives) * max(1, negatives))))


def judge_curve(curve: Curve | None, has_signal: bool) -> Finding:
    """What doubling the users would add."""
    if not has_signal:
        return cannot_say("learning-curve", "There is no signal that could grow.", _WHY_CURVE)
    if curve is None:
        return cannot_say(
            "learning-curve",
            "There are too few outcomes to learn from a part of them.",
            _WHY_CURVE,
        )
    gain = extrapolate(curve)
    facts = {
        "users": curve.users.tolist(),
        "auc": curve.auc.mean(axis=0).tolist(),
        "gain": {
            "times": gain.times,
            "expected": gain.expected,
            "between": [gain.lower, gain.upper],
        },
    }
    seen = (
        f"Learnt from {curve.users[0]:,.0f} users the linear model has AUC {facts['auc'][0]:.3f}, "
        f"from all {curve.users[-1]:,.0f} {facts['auc'][-1]:.3f}: doubling your users would add "
        f"about {gain.expected:+.3f} ({gain.lower:+.3f} to {gain.upper:+.3f})."
    )
    if gain.lower >= _STARVING:
        return warning(
            "learning-curve",
            seen,
            _WHY_CURVE,
            "retrain often while the user base grows, or bring in older history",
            **facts,
        )
    return ok("learning-curve", seen, _WHY_CURVE, **facts)
