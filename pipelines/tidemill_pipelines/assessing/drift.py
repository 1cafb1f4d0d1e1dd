"""Does the population that is learnt from resemble the one that is predicted for?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidemill_features.aggregates import DAYS_SINCE_FIRST
from tidemill_features.catalog import Signal, feature_name
from tidemill_pipelines.assessing.findings import Finding, ok, warning
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.assessing.shares import wilson_interval
from tidemill_pipelines.population import target_signal
from tidemill_pipelines.readiness import WindowCount

_RATE_RATIO = 1.5
"""Between the highest and the lowest rate, beyond what chance allows."""
_NEWCOMERS = 0.5
_FAR = 0.3
"""Kolmogorov-Smirnov distance, the largest difference of two distribution functions."""
_TIMES = 2.0
"""The largest distance between two neighbouring windows."""
_WHY_ALIKE = "What was learnt of users who were active in one way may not hold for others."
_WHY_RATE = (
    "A model predicts the rate it has learnt: where rates move, its ranking holds better than its "
    "probabilities."
)
_WHY_NEW = "Nobody like them was learnt from: they had no history when the outcomes were known."


def judge_rate(counts: Sequence[WindowCount]) -> Finding:
    """Whether the outcome's rate moves between windows by more than chance."""
    rates = [count.positives / max(1, count.users) for count in counts]
    bounds = [wilson_interval(count.positives, count.users) for count in counts]
    surely = max(low for low, _ in bounds) / max(1e-9, min(high for _, high in bounds))
    facts = {"rates": rates, "surely": surely}
    seen = (
        f"The outcome's rate lies between {min(rates):.1%} and {max(rates):.1%} over "
        f"{len(counts)} windows; the newest has {rates[-1]:.1%}."
    )
    if surely <= _RATE_RATIO:
        return ok("outcome-rate", seen, _WHY_RATE, **facts)
    return warning(
        "outcome-rate",
        seen,
        _WHY_RATE,
        "look at what happened in these windows; retrain on a schedule, and read "
        "`predicted over observed` in the monitor",
        **facts,
    )


def judge_population(material: Material) -> Finding:
    """Whether users are active now as they were in the windows that were learnt from."""
    signals = {target_signal(material.objective).name, Signal(None).name}
    features = [f for f in material.catalog.features if f.signal.name in signals]
    moved = {f.name: _moved(material, f.name) for f in features if not f.aggregate.grows}
    name = max(moved, key=lambda name: moved[name][0])
    now, before = moved[name]
    facts = {"feature": name, "distance": now, "before": before}
    seen = (
        f"Between the test window and now `{name}` differs most, by a distance of {now:.2f}; "
        f"from one earlier window to the next it moved by {before:.2f} at most."
    )
    if now < _FAR or now < _TIMES * before:
        return ok("population", seen, _WHY_ALIKE, **facts)
    return warning(
        "population",
        seen,
        _WHY_ALIKE,
        "find out what changed: who uses the product, or what is recorded",
        **facts,
    )


def _moved(material: Material, feature: str) -> tuple[float, float]:
    """Distance of now from the test window, and the largest between neighbouring windows."""
    train = material.train.column(feature)
    windows = [train[material.train.cutoffs == at] for at in np.unique(material.train.cutoffs)]
    windows.append(material.test.column(feature))
    steps = [_distance(one, other) for one, other in pairwise(windows)]
    return _distance(windows[-1], material.current.column(feature)), max(steps)


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Kolmogorov-Smirnov; missing counts as the largest value."""
    if not len(one) or not len(other):
        return 0.0
    first, second = (np.sort(np.nan_to_num(each, nan=np.inf)) for each in (one, other))
    at = np.concatenate([first, second])
    below = [np.searchsorted(each, at, side="right") / len(each) for each in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def judge_newcomers(material: Material) -> Finding:
    """The share of users who came after the newest training cutoff."""
    tenure = material.current.column(feature_name(Signal(None), DAYS_SINCE_FIRST.name))
    since = (material.at - max(material.windows.train)) / timedelta(days=1)
    share = float(np.mean(tenure < since)) if len(tenure) else 0.0
    seen = (
        f"{share:.0%} of the users who are predicted for now came after the newest training "
        f"cutoff, {since:.0f} days ago."
    )
    if share <= _NEWCOMERS:
        return ok("newcomers", seen, _WHY_NEW, share=share, days=since)
    return warning(
        "newcomers",
        seen,
        _WHY_NEW,
        "shorten `within`, which brings the newest training cutoff nearer, and retrain often",
        share=share,
        days=since,
    )
