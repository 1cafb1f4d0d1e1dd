"""Columns of a table, computed from a log by what was known at the cutoff, or otherwise."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np
import pyarrow as pa
from leakage_worlds import DAY, Values, World

from tidemill_features.instants import in_microseconds
from tidemill_pipelines.assessing.leakage.table import TrainingTable

_WHAT = {
    "count": "COUNT(e.user_id)",
    "value": "COALESCE(SUM(e.value), 0)",
    "age": f"MIN(a.until_us - epoch_us(e.timestamp)) / {DAY}.0",
}
_THEN = "epoch_us(e.received_at) < GREATEST(a.until_us, a.since_us)"
KNOWN = {
    "then": _THEN,
    "late too": f"({_THEN} OR e.anonymous_id IS NULL)",
    "merged too": f"({_THEN} OR e.anonymous_id IS NOT NULL)",
    "now": "TRUE",
}
"""At the end of the span; with what arrived late; with what joined its user later; all there is."""


def measured(
    world: World,
    rows: TrainingTable,
    event: str | None,
    days: tuple[float, float],
    what: str = "count",
    known: str = "then",
) -> Values:
    """`what` of the events from `days[0]` to `days[1]` after each row's cutoff, [n].

    Infinity is the beginning and the end of the log. `known` is a key of KNOWN.
    """
    end = in_microseconds(world.at)
    since, until = (
        np.clip(rows.cutoffs + np.clip(day * DAY, -(2.0**61), 2.0**61), 0, end).astype(np.int64)
        for day in days
    )
    world.con.register(
        "wanted",
        pa.table(
            {
                "row": range(len(since)),
                "user_id": rows.users.tolist(),
                "since_us": since,
                "until_us": until,
            }
        ),
    )
    found = world.con.execute(
        f"SELECT {_WHAT[what]} FROM wanted AS a LEFT JOIN user_events AS e "
        "ON e.user_id = a.user_id AND ($event IS NULL OR e.name = $event) "
        "AND epoch_us(e.timestamp) >= a.since_us AND epoch_us(e.timestamp) < a.until_us "
        f"AND {KNOWN[known]} "
        "GROUP BY a.row ORDER BY a.row",
        {"event": event},
    ).to_arrow_table()
    world.con.unregister("wanted")
    return np.asarray(found.column(0).cast(pa.float64()).to_numpy(), dtype=np.float64)


def with_columns(rows: TrainingTable, columns: dict[str, Values]) -> TrainingTable:
    every = {**rows.columns, **columns}
    return replace(
        rows, columns=every, origins={**rows.origins, **{name: name for name in columns}}
    )


def clean_table(world: World, rows: TrainingTable, seed: int) -> TrainingTable:
    """Behaviour as known at the cutoff, lasting traits, and noise; some of it transformed."""
    rng = np.random.default_rng(seed)
    ever = float("inf")

    def known(event: str | None, days: float, what: str = "count") -> Values:
        return measured(world, rows, event, (-days, 0), what)

    target, common = world.objective.target.event, world.common
    often, lately = known(common, ever), known(common, 28)
    early = measured(world, rows, common, (-ever, -56))
    columns = {
        "target_28d": known(target, 28),
        "target_ever": known(target, ever),
        "target_recency": known(target, ever, "age"),
        "lately": lately,
        "week_log": np.log1p(known(common, 7)),
        "fortnight_root": np.sqrt(known(common, 14)),
        "three_weeks": known(None, 21),
        "spent_112d": known(common, 112, "value"),
        "spent_log": np.log1p(known(common, ever, "value")),
        "recency": known(None, ever, "age"),
        "mailings_56d": known(world.mailing, 56),
        "mean_value": known(common, ever, "value") / np.maximum(often, 1),
        "trend": np.log((1 + lately) / (1 + measured(world, rows, common, (-56, -28)))),
        "has_target": (known(target, ever) > 0).astype(np.float64),
        "score": np.argsort(np.argsort(lately + rng.normal(0, 1, len(lately)))) / len(lately),
        "habit": np.log1p(early) + rng.normal(0, 0.5, len(early)),
        "age": _trait(rows, 40, 12, seed),
        "survey": np.where(rng.random(len(lately)) < 0.7, np.nan, rng.normal(7, 2, len(lately))),
        "region_north": (_trait(rows, 0, 1, seed + 1) > 0.6).astype(np.float64),
    }
    if world.sizes:
        columns["size"] = np.asarray([world.sizes[user] for user in rows.users])
    return with_columns(rows, columns)


def _trait(rows: TrainingTable, mean: float, spread: float, seed: int) -> Values:
    """Of each user, whatever the cutoff."""
    users, of = np.unique(rows.users, return_inverse=True)
    drawn = [np.random.default_rng([seed, crc32(user.encode())]).normal() for user in users]
    return np.asarray(np.round(mean + spread * np.asarray(drawn), 1)[of])
