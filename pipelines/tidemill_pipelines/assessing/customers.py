"""Is there enough to learn what customers are worth?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb

from tidemill.objective import Objective
from tidemill.objective.duration import format_duration
from tidemill_features.sql import amount_of, condition, reads_items
from tidemill_pipelines.assessing.findings import Finding, ok, warning
from tidemill_pipelines.readiness import WindowCount
from tidemill_pipelines.valuing.customers import value_of
from tidemill_pipelines.valuing.windows import ValueWindows

_DAY = timedelta(days=1)
_FEW_BUYERS = 50
"""Who bought again in the test window: below, a total is uncertain by a quarter and more."""
_WITHOUT_VALUE = 0.05
"""Share of purchases that are worth nothing, or less, or nobody knows what."""
_ONE_PURCHASE = 0.05
"""Share of all value: windows with and without such a purchase are not alike."""
_WHY_HISTORY = "What was never seen to its end is carried on, and not checked."
_WHY_BUYERS = "Rates are learnt from customers who come back, and values from what they then spend."
_WHY_VALUES = "A purchase without a value counts as worth nothing, and one alone can make a total."


def judge_value_history(
    objective: Objective, first: datetime, at: datetime, windows: ValueWindows
) -> Finding:
    """Whether the log is long enough to see a whole horizon at every cutoff."""
    within = value_of(objective).within
    days, judged = (at - first) / _DAY, windows.judged
    facts = {"days": days, "judged_days": judged / _DAY, "cutoffs": len(windows.train)}
    seen = (
        f"The log covers {days:,.0f} days: {len(windows.train)} training windows and a test window "
        f"of {format_duration(judged)} each"
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
    do = (
        f"aim at {_FEW_BUYERS} who buy again in a window: a longer `within` or a longer "
        "`population.active_within`"
    )
    return warning("outcomes", seen, _WHY_BUYERS, do, **facts)


def judge_values(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> Finding:
    """What purchases are worth: how many have no value, and how much hangs on one."""
    found = _values(con, objective, at)
    purchases, largest = found["purchases"], found["largest"] / max(found["total"], 1e-9)
    without = (found["unknown"] + found["worthless"]) / purchases
    facts = {**found, "share_without": without, "share_of_largest": largest}
    seen = (
        f"Of {purchases:,} purchases {found['unknown']:,} have no number in "
        f"`{value_of(objective).value}` and {found['worthless']:,} are worth nothing or less; half "
        f"are worth {found['median']:,.2f} or more, the largest {found['largest']:,.2f} "
        f"({largest:.1%} of all value)."
    )
    if without <= _WITHOUT_VALUE and largest <= _ONE_PURCHASE:
        return ok("values", seen, _WHY_VALUES, **facts)
    do = (
        "send the value with each purchase, and returns as events of another name; look whether "
        "the largest is a mistake or a business customer"
    )
    return warning("values", seen, _WHY_VALUES, do, **facts)


def _values(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> dict[str, float]:
    target = objective.target
    items = "LEFT JOIN items AS i USING (item_id)" if reads_items(target.where) else ""
    found = con.execute(
        "SELECT count(*) AS purchases, count(*) FILTER (worth IS NULL) AS unknown, "
        "count(*) FILTER (worth <= 0) AS worthless, coalesce(median(worth), 0)::DOUBLE AS median, "
        "coalesce(max(worth), 0)::DOUBLE AS largest, coalesce(sum(worth), 0)::DOUBLE AS total "
        f"FROM (SELECT {amount_of(value_of(objective).value)} AS worth FROM user_events AS e "
        f"{items} WHERE e.superseded_at IS NULL AND e.timestamp < $at AND e.name = $name "
        f"AND {condition(target.where)})",
        {"at": at, "name": target.event},
    )
    names = [column[0] for column in found.description or []]
    return dict(zip(names, found.fetchall()[0], strict=True))
