"""What purchases are worth, and on how few of them all value hangs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb

from tidemill.objective import Objective
from tidemill_features.sql import amount_of, condition, reads_items
from tidemill_pipelines.assessing.findings import Finding, blocking, ok, warning
from tidemill_pipelines.valuing.customers import value_of

_WITHOUT_VALUE = 0.05
"""Share of purchases that are worth nothing, or less, or nobody knows what."""
_ONE_PURCHASE = 0.05
"""Share of all value: windows with and without such a purchase are not alike."""
_MOST = 0.5
"""Share that so few hold only where the others hardly count."""
_WHY = "A purchase without a value counts as worth nothing, and a few alone can make a total."
_RETURNS = (
    "send purchases net of returns where possible: a negative value of the purchase event lowers "
    "what a customer has spent and counts as a purchase, and returns sent as events of another "
    "name are not counted at all"
)
# Shares are of what is worth more than nothing: of a sum that refunds lower they could exceed one.
_VALUES = """
WITH purchases AS (
    SELECT e.user_id, {worth} AS worth FROM user_events AS e {items}
    WHERE e.superseded_at IS NULL AND e.timestamp < $at AND e.name = $name AND {condition}
),
ranked AS (
    SELECT greatest(worth, 0) AS worth, row_number() OVER (ORDER BY worth DESC NULLS LAST) AS place
    FROM purchases
),
customers AS (
    SELECT user_id, count(*) AS bought, coalesce(sum(greatest(worth, 0)), 0) AS worth
    FROM purchases GROUP BY user_id
)
SELECT count(*) AS purchases, count(*) FILTER (worth IS NULL) AS unknown,
    count(*) FILTER (worth <= 0) AS worthless, coalesce(median(worth), 0)::DOUBLE AS median,
    coalesce(max(worth), 0)::DOUBLE AS largest, coalesce(sum(worth), 0)::DOUBLE AS total,
    coalesce(sum(greatest(worth, 0)), 0)::DOUBLE AS above_zero,
    (SELECT coalesce(sum(worth), 0)::DOUBLE FROM ranked
        WHERE place <= ceil((SELECT count(*) FROM purchases) / 100)) AS of_hundredth,
    (SELECT max(struct_pack(worth := worth::DOUBLE, id := user_id)) FROM customers) AS richest,
    (SELECT max(struct_pack(bought := bought, id := user_id)) FROM customers) AS busiest
FROM purchases
"""


def judge_values(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> Finding:
    """How many purchases have no value, and how much hangs on a few of them, or on one customer."""
    found = _values(con, objective, at)
    seen = _seen(found, value_of(objective).value)
    if found["total"] <= 0:
        do = f"name what a purchase is worth in `lifetime_value.value`; {_RETURNS}"
        return blocking("values", f"{seen}: nothing is worth anything.", _WHY, do, **found)
    seen = f"{seen}; {_held(found)}."
    todo = list(_todo(found))
    if not todo:
        return ok("values", seen, _WHY, **found)
    return warning("values", seen, _WHY, "; ".join(todo), **found)


def _seen(found: dict[str, Any], value: str) -> str:
    return (
        f"Of {found['purchases']:,} purchases {found['unknown']:,} have no number in `{value}` and "
        f"{found['worthless']:,} are worth nothing or less; half are worth {found['median']:,.2f} "
        f"or more, the largest {found['largest']:,.2f}, and all {found['total']:,.2f}"
    )


def _held(found: dict[str, Any]) -> str:
    busiest = f"'{found['busiest']['id']}', with most purchases, has"
    if found["busiest"]["id"] == found["richest"]["id"]:
        busiest = "and"
    return (
        f"the largest purchase is {found['share_of_largest']:.1%} of all value, the 1% largest are "
        f"{found['share_of_hundredth']:.1%}; of the customers '{found['richest']['id']}' has most, "
        f"{found['share_of_richest']:.1%} of all value, {busiest} "
        f"{found['share_of_busiest']:.1%} of all purchases"
    )


def _todo(found: dict[str, Any]) -> Iterator[str]:
    if found["share_without"] > _WITHOUT_VALUE:
        yield f"send the value with each purchase; {_RETURNS}"
    for customer in dict.fromkeys(_dominating(found)):
        yield (
            f"find out who '{customer}' is, who is most of this business: an id that stands for "
            "many people is none, and one customer alone cannot be learnt from"
        )
    if found["share_of_largest"] > _ONE_PURCHASE or found["share_of_hundredth"] > _MOST:
        yield "look whether the largest purchases are mistakes or business customers"


def _dominating(found: dict[str, Any]) -> Iterator[str]:
    if found["share_of_richest"] > _MOST:
        yield found["richest"]["id"]
    if found["share_of_busiest"] > _MOST:
        yield found["busiest"]["id"]


def _values(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> dict[str, Any]:
    target = objective.target
    query = _VALUES.format(
        worth=amount_of(value_of(objective).value),
        items="LEFT JOIN items AS i USING (item_id)" if reads_items(target.where) else "",
        condition=condition(target.where),
    )
    rows = con.execute(query, {"at": at, "name": target.event})
    names = [column[0] for column in rows.description or []]
    found = dict(zip(names, rows.fetchall()[0], strict=True))
    value, purchases = found["above_zero"] or 1.0, found["purchases"]
    return {
        **found,
        "share_without": (found["unknown"] + found["worthless"]) / purchases,
        "share_of_largest": max(found["largest"], 0.0) / value,
        "share_of_hundredth": found["of_hundredth"] / value,
        "share_of_richest": found["richest"]["worth"] / value,
        "share_of_busiest": found["busiest"]["bought"] / purchases,
    }
