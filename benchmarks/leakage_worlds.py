"""Event logs in which nothing leaks, and the tables that a careful team would build from them.

Two kinds: the sample, and made-up shops whose parameters are drawn anew for each seed. In both,
some events arrive late, and some users have a second device that is known to be theirs only later.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray

from tidemill.events import EventLog
from tidemill.events.clock import log_end
from tidemill.events.schema import EVENTS
from tidemill.objective import Objective
from tidemill_features.instants import in_microseconds
from tidemill_features.labels import label_users
from tidemill_pipelines.assessing.leakage.table import TrainingTable
from tidemill_pipelines.readiness import active_users

Values = NDArray[np.float64]
DAY = 86_400_000_000
START = datetime(2023, 1, 2, tzinfo=UTC)
LATE, LATE_DAYS = 0.1, 21.0
"""Share of events that arrive late, and by how much at most."""
SECOND_DEVICE, ITS_EVENTS = 0.4, 0.4
"""Share of users with one, and of their events that come from it."""


@dataclass(frozen=True)
class World:
    """A log, an objective, and the events that columns are made of."""

    name: str
    con: duckdb.DuckDBPyConnection
    objective: Objective
    at: datetime
    common: str
    """An event most users have often; it has values."""
    mailing: str
    every: timedelta
    """Distance of the training cutoffs."""
    sizes: dict[str, float]
    """Of each user, known from the start: it nearly decides how much they do. Or empty."""


@dataclass(frozen=True)
class Shop:
    """Parameters of a made-up log."""

    users: int
    days: int
    orders: float
    """A day, of the average user."""
    habit: float
    """Shape of the gamma distribution of users' rates; small is unequal."""
    response: float
    """Orders in the week after a mailing, of the average user."""
    weekly: float
    """How much more happens on Saturdays."""
    leaves: float
    """Users who leave for good, a day."""


def shop_world(seed: int) -> World:
    """A made-up shop; parameters and events are those of the seed."""
    rng = np.random.default_rng(seed)
    shop = Shop(
        users=int(rng.integers(1_500, 4_000)),
        days=int(rng.integers(180, 400)),
        orders=float(rng.uniform(0.01, 0.05)),
        habit=float(rng.uniform(0.4, 1.5)),
        response=float(rng.uniform(0.0, 0.3)),
        weekly=float(rng.uniform(0.0, 2.0)),
        leaves=float(rng.uniform(0.0, 0.004)),
    )
    within = int(rng.choice([14, 28]))
    kind = "churn" if seed % 4 == 3 else "propensity"
    own = rng.gamma(shop.habit, 1 / shop.habit, shop.users)
    events = arriving(shop_events(shop, own, rng), rng)
    sizes = np.round(own * rng.lognormal(0, 0.2, shop.users), 2)
    objective = objective_of(kind, "order", within)
    return World(
        f"shop {seed}",
        log_of(events),
        objective,
        START + timedelta(days=shop.days),
        "visit",
        "mailing",
        timedelta(days=within),
        {f"u{n}": float(size) for n, size in enumerate(sizes)},
    )


@cache
def sample_log() -> duckdb.DuckDBPyConnection:
    """The sample, with late arrivals and second devices."""
    from tidemill.sample.retail import sample_events

    events = sample_events()
    kept = pa.compute.not_equal(events.column("name"), "product_purchased")
    return log_of(arriving(events.filter(kept), np.random.default_rng(0)))


def sample_world(which: int) -> World:
    """One of the sample's objectives; its single products are left out, for time's sake."""
    con = sample_log()
    kind, event = (("propensity", "coupon_redeemed"), ("churn", "order_completed"))[which % 2]
    return World(
        f"sample {event}",
        con,
        objective_of(kind, event, 28),
        log_end(con),
        "order_completed",
        "campaign_received",
        timedelta(days=28),
        {},
    )


def objective_of(kind: str, event: str, days: int) -> Objective:
    return Objective.model_validate(
        yaml.safe_load(
            f"""
            apiVersion: tidemill.dev/v1alpha1
            kind: Objective
            metadata: {{name: planted}}
            spec: {{{kind}: {{event: {event}, within: {days}d}},
                    population: {{active_within: {3 * days}d}}}}
            """
        )
    )


def shop_events(shop: Shop, own: Values, rng: np.random.Generator) -> pa.Table:
    """Visits, carts, orders and mailings; an order is often preceded by a cart."""
    joined = np.where(rng.random(shop.users) < 0.6, 0, rng.uniform(0, shop.days * 0.8, shop.users))
    left = joined + rng.exponential(1 / max(shop.leaves, 1e-9), shop.users)
    mailings = [(day, rng.random(shop.users) < 0.5) for day in range(20, shop.days, 40)]
    parts = [
        _happening("visit", own * 0.25 + 0.03, shop, rng),
        _happening("order", own * shop.orders, shop, rng),
    ]
    for day, mailed in mailings:
        who = np.flatnonzero(mailed)
        parts.append(("mailing", who, np.full(len(who), float(day))))
        moved = np.repeat(who, rng.poisson(own[who] * shop.response))
        parts.append(("order", moved, day + rng.uniform(0, 7, len(moved))))
    ordered = [(who, at) for name, who, at in parts if name == "order"]
    who, at = (np.concatenate(column) for column in zip(*ordered, strict=True))
    carted = rng.random(len(who)) < 0.6
    parts.append(("cart", who[carted], at[carted] - rng.exponential(1.0, carted.sum())))
    names = np.concatenate([np.full(len(w), name) for name, w, _ in parts])
    who, at = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    there = (at >= joined[who]) & (at < left[who]) & (at >= 0) & (at < shop.days)
    names, who, at = names[there], who[there], at[there]
    worth = np.where(names == "mailing", np.nan, np.round(rng.gamma(2, 10, len(who)), 2))
    stamps = in_microseconds(START) + (at * DAY).astype(np.int64)
    return pa.table(
        {
            "event_id": [f"e{n}" for n in range(len(who))],
            "name": names,
            "user_id": [f"u{n}" for n in who],
            "anonymous_id": pa.nulls(len(who), pa.string()),
            "item_id": pa.nulls(len(who), pa.string()),
            "timestamp": pa.array(stamps, pa.timestamp("us", tz="UTC")),
            "received_at": pa.array(stamps, pa.timestamp("us", tz="UTC")),
            "value": pa.array(worth, from_pandas=True),
            "properties": ["{}"] * len(who),
        }
    ).cast(EVENTS)


def _happening(name: str, rates: Values, shop: Shop, rng: np.random.Generator) -> Any:
    """More on Saturdays, and slowly more over the year."""
    who = np.repeat(np.arange(shop.users), rng.poisson(rates * shop.days * (1 + shop.weekly)))
    at = rng.uniform(0, shop.days, len(who))
    chance = (1 + shop.weekly * (at.astype(int) % 7 == 5)) / (1 + shop.weekly)
    chance *= 0.8 + 0.2 * np.sin(at / 58)
    kept = rng.random(len(who)) < chance
    return name, who[kept], at[kept]


def arriving(events: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Some of the events late, and some under an id that joins its user later."""
    stamps = events.column("timestamp").cast(pa.int64()).to_numpy()
    late = rng.uniform(0, LATE_DAYS * DAY, len(stamps)) * (rng.random(len(stamps)) < LATE)
    received = stamps + late.astype(np.int64)
    users = np.asarray(events.column("user_id").to_pylist(), dtype=object)
    people = sorted(set(users))
    chosen = {
        p for p, yes in zip(people, rng.random(len(people)) < SECOND_DEVICE, strict=True) if yes
    }
    first, last = int(stamps.min()), int(stamps.max())
    linked = {p: first + int(rng.uniform(0.2, 1.0) * (last - first)) for p in sorted(chosen)}
    elsewhere = rng.random(len(users)) < ITS_EVENTS
    hidden = np.array(
        [user in linked and away for user, away in zip(users, elsewhere, strict=True)]
    )
    devices = np.where(hidden, np.array([f"d-{user}" for user in users], dtype=object), None)
    table = events.set_column(
        2, events.field(2), pa.array(np.where(hidden, None, users), pa.string())
    )
    table = table.set_column(3, events.field(3), pa.array(devices, pa.string()))
    table = table.set_column(6, events.field(6), pa.array(received, events.field(6).type))
    return pa.concat_tables([table, _logins(linked)])


def _logins(linked: dict[str, int]) -> pa.Table:
    stamps = pa.array(list(linked.values()), pa.timestamp("us", tz="UTC"))
    n = len(linked)
    return pa.table(
        {
            "event_id": [f"login-{user}" for user in linked],
            "name": ["login"] * n,
            "user_id": list(linked),
            "anonymous_id": [f"d-{user}" for user in linked],
            "item_id": pa.nulls(n, pa.string()),
            "timestamp": stamps,
            "received_at": stamps,
            "value": pa.nulls(n, pa.float64()),
            "properties": ["{}"] * n,
        }
    ).cast(EVENTS)


def log_of(events: pa.Table) -> duckdb.DuckDBPyConnection:
    """A connection to a real event log that holds `events`."""
    log = EventLog(Path(tempfile.mkdtemp(prefix="tidemill-leakage-")) / "events")
    log.append(events)
    return log.connect()


def population_of(world: World, cutoffs: int = 4) -> TrainingTable:
    """Users active at the newest closed cutoff, at some before the embargo, and now."""
    horizon = world.objective.target.within
    newest = world.at - horizon
    instants = [newest - horizon - world.every * n for n in range(cutoffs - 1)]
    users: list[str] = []
    stamps: list[int] = []
    labels, labelled = [], []
    for cutoff in [*reversed(instants), newest, world.at]:
        here = sorted(active_users(world.con, world.objective, cutoff))
        is_closed = cutoff < world.at
        users += here
        stamps += [in_microseconds(cutoff)] * len(here)
        known = label_users(world.con, world.objective.target, cutoff, here)
        labels.append(known & is_closed)
        labelled.append(np.full(len(here), is_closed))
    return TrainingTable(
        users=np.asarray(users, dtype=np.str_),
        cutoffs=np.asarray(stamps, dtype=np.int64),
        labels=np.concatenate(labels),
        labelled=np.concatenate(labelled),
        columns={},
        origins={},
        stamps={},
        tested=None,
    )
