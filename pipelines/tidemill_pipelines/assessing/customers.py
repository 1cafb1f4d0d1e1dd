"""Is there enough to learn what customers are worth?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from tidemill.objective import Objective
from tidemill.objective.duration import format_duration
from tidemill_pipelines.assessing.daily import whole_days
from tidemill_pipelines.assessing.findings import Finding, ok, warning
from tidemill_pipelines.readiness import WindowCount
from tidemill_pipelines.valuing.customers import value_of
from tidemill_pipelines.valuing.readiness import more_buyers
from tidemill_pipelines.valuing.windows import ValueWindows

_DAY = timedelta(days=1)
_FEW_BUYERS = 50
"""Who bought again in the test window: below, a total is uncertain by a quarter and more."""
_WHY_HISTORY = "What was never seen to its end is carried on, and not checked."
_WHY_BUYERS = "Rates are learnt from customers who come back, and values from what they then spend."


def judge_value_history(
    objective: Objective, first: datetime, at: datetime, windows: ValueWindows
) -> Finding:
    """Whether the log is long enough to see a whole horizon at every cutoff."""
    within = value_of(objective).within
    days, judged = whole_days(first, at), windows.judged
    facts = {"days": days, "judged_days": judged / _DAY, "cutoffs": len(windows.train)}
    seen = (
        f"The log covers {days:,.0f} days: {len(windows.train)} training windows and a test window "
        f"of {format_duration(judged)} each{_overlap(windows)}"
    )
    if judged >= within:
        return ok("history", f"{seen}, as long as the horizon.", _WHY_HISTORY, **facts)
    return warning(
        "history",
        f"{seen}, and the horizon is {format_duration(within)}: what is predicted beyond "
        f"{format_duration(judged)} cannot be checked yet.",
        _WHY_HISTORY,
        "import older events, or shorten `within`",
        **facts,
    )


def _overlap(windows: ValueWindows) -> str:
    """That training windows share days, where they do."""
    step = min((b - a for a, b in pairwise(windows.train)), default=windows.judged)
    if step >= windows.judged:
        return ""
    return f" (training windows begin {step / _DAY:g}d apart, so they overlap)"


def judge_customers(counts: Sequence[WindowCount], judged: timedelta) -> Finding:
    """Customers at every cutoff, and how many of them came back; the last is the test window."""
    *train, test = counts
    shares = [count.positives / max(1, count.users) for count in train]
    customers = [count.users for count in train]
    facts = {"counts": [vars(count) for count in counts]}
    seen = (
        f"At the {len(train)} training cutoffs there are {min(customers):,} to "
        f"{max(customers):,} customers, of whom {min(shares):.0%} to {max(shares):.0%} bought "
        f"again within {format_duration(judged)}; at the test cutoff {test.users:,}, of whom "
        f"{test.positives:,} did."
    )
    if test.positives >= _FEW_BUYERS:
        return ok("outcomes", seen, _WHY_BUYERS, **facts)
    do = f"aim at {_FEW_BUYERS} in a window; {more_buyers(test.users, _FEW_BUYERS)}"
    return warning("outcomes", seen, _WHY_BUYERS, do, **facts)
