"""Is there enough: history, outcomes, events per user, and traffic for an experiment?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import NormalDist

import numpy as np

from tidemill.objective import Objective
from tidemill.objective.duration import format_duration
from tidemill_features.aggregates import ACTIVE_WEEKS, COUNT_EVER
from tidemill_features.catalog import Signal, feature_name
from tidemill_pipelines.assessing.daily import whole_days
from tidemill_pipelines.assessing.findings import Finding, ok, warning
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.readiness import WindowCount
from tidemill_pipelines.windows import Windows

_FEW_OUTCOMES = 50
"""Of either class on the test window: below, an AUC is uncertain by 0.05 and more."""
_POWER, _LEVEL = 0.8, 0.05
_WHY_HISTORY = "Each training window needs a horizon of history before it and one of labels after."
_WHY_OUTCOMES = "Models learn from the rarer class, and are judged by it."
_WHY_COVERAGE = "Users of whom next to nothing is known cannot be told apart."
_WHY_TRAFFIC = "A model that cannot be tested on users cannot be shown to help."


def judge_history(
    first: datetime, at: datetime, within: timedelta, windows: Windows, asked: int
) -> Finding:
    """How many training windows the log carries."""
    days, held = whole_days(first, at), len(windows.train)
    facts = {"days": days, "horizons": (at - first) / within, "cutoffs": held, "asked": asked}
    seen = (
        f"The log covers {days:,.0f} days, {facts['horizons']:.1f} horizons of "
        f"{format_duration(within)}: enough for {held} of the {asked} training cutoffs asked for."
    )
    if held >= min(2, asked):
        return ok("history", seen, _WHY_HISTORY, **facts)
    return warning(
        "history",
        seen,
        _WHY_HISTORY,
        "import older events, shorten `within`, or set `training.every`: with a single window "
        "nothing can be chosen on a later one",
        **facts,
    )


def judge_outcomes(counts: Sequence[WindowCount]) -> Finding:
    """Positives and negatives at every cutoff; the last is the test window."""
    *train, test = counts
    facts = {"counts": [vars(count) for count in counts]}
    positives = [count.positives for count in train]
    seen = (
        f"{sum(positives):,} positives and {sum(c.users for c in train) - sum(positives):,} "
        f"negatives in {len(train)} training windows ({min(positives):,} to {max(positives):,} "
        f"positives each); {test.positives:,} and {test.users - test.positives:,} in the test "
        "window."
    )
    if any(not 0 < count.positives < count.users for count in train):
        return warning(
            "outcomes",
            f"{seen} A training window holds one class alone.",
            _WHY_OUTCOMES,
            "check whether the outcome was recorded then; fewer `training.cutoffs` leave the "
            "window out",
            **facts,
        )
    if min(test.positives, test.users - test.positives) < _FEW_OUTCOMES:
        return warning(
            "outcomes",
            seen,
            _WHY_OUTCOMES,
            f"aim at {_FEW_OUTCOMES} of either class in a window: a longer `within` or a more "
            "frequent event",
            **facts,
        )
    return ok("outcomes", seen, _WHY_OUTCOMES, **facts)


def judge_coverage(rows: Rows) -> Finding:
    """How much is known of each user at the test cutoff."""
    events = rows.column(feature_name(Signal(None), COUNT_EVER.name))
    once = float((events <= 1).mean())
    quartiles = np.quantile(events, (0.25, 0.5, 0.75)).tolist()
    weeks = float(np.median(rows.column(feature_name(Signal(None), ACTIVE_WEEKS.name))))
    facts = {"events": quartiles, "single_event": once, "active_weeks": weeks}
    seen = (
        f"At the test cutoff half of the users have {quartiles[1]:,.0f} known events or more, a "
        f"quarter at most {quartiles[0]:,.0f}, and {once:.0%} a single one."
    )
    if once <= 1 / 2:
        return ok("coverage", seen, _WHY_COVERAGE, **facts)
    return warning(
        "coverage",
        seen,
        _WHY_COVERAGE,
        "record more of what users do, or narrow `population.active_within`",
        **facts,
    )


def judge_traffic(objective: Objective, users: int, rate: float) -> Finding:
    """The smallest effect that an A/B test of one horizon would show at the present traffic."""
    smallest = detectable_difference(users, rate)
    lift = smallest / rate if rate else float("inf")
    span = format_duration(objective.target.within)
    facts = {"users": users, "rate": rate, "difference": smallest, "lift": lift}
    seen = (
        f"An A/B test of {span} with {users:,} users, as many as in the test window, of whom "
        f"{rate:.1%} have the outcome, shows in {_POWER * 10:.0f} of 10 cases a change by "
        f"{100 * smallest:.2f} points ({lift:.0%} of the rate); for a change by a tenth it takes "
        f"{_users_for(0.1 * rate, rate):,.0f} users."
    )
    if lift <= 1:
        return ok("traffic", seen, _WHY_TRAFFIC, **facts)
    return warning(
        "traffic",
        seen,
        _WHY_TRAFFIC,
        "run tests over several horizons, on a more frequent outcome, or plan to judge by ranking "
        "alone",
        **facts,
    )


def detectable_difference(users: int, rate: float) -> float:
    """Absolute difference of two rates, half of the users each; two-sided level 5%, power 80%.

    By the normal approximation at the base rate.
    """
    return float(_quantiles() * np.sqrt(4 * rate * (1 - rate) / max(1, users)))


def _users_for(difference: float, rate: float) -> float:
    return float(4 * rate * (1 - rate) * (_quantiles() / difference) ** 2) if difference else np.inf


def _quantiles() -> float:
    normal = NormalDist()
    return normal.inv_cdf(1 - _LEVEL / 2) + normal.inv_cdf(_POWER)
