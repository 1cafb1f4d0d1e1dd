"""Builders of synthetic event logs: a few events written by hand, or a shop with known truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

# Before torch and its like are imported: tests share few cores, and spinning threads eat them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

CUTOFF = datetime(2024, 6, 1, tzinfo=UTC)
"""What `days_ago` counts back from."""
_STAMP = pa.timestamp("us", tz="UTC")


@pytest.fixture(scope="session")
def cutoff() -> datetime:
    """The instant that hand-written events lie before."""
    return CUTOFF


@pytest.fixture(scope="session")
def events_of() -> Callable[..., pa.Table]:
    """`events_of({"days_ago": 3, "value": 9.5}, ...)`: an event table, defaults filled in.

    Keys: user (u1), name (order), days_ago or at, received (at), item, value, properties ({}),
    id (e0, e1, ...).
    """
    return _events_of


@pytest.fixture
def log_of(tmp_path: Path) -> Callable[..., Any]:
    """`log_of(events, items={"i1": '{"brand": "x"}'})`: a connection to a real event log."""

    def build(events: pa.Table, items: Mapping[str, str] | None = None, threads: int = 1) -> Any:
        from tidemill.events import EventLog

        log = EventLog(tmp_path / "events")
        log.append(events)
        log.put_items(_items(items or {}))
        return log.connect(threads=threads)

    return build


@pytest.fixture
def con_of() -> Callable[..., Any]:
    """As `log_of`, in memory: for the many tests that only read."""

    def build(events: pa.Table, items: Mapping[str, str] | None = None, threads: int = 1) -> Any:
        import duckdb

        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"SET threads = {threads}")
        con.register("events", events)
        con.register("items", _items(items or {}))
        return con

    return build


@pytest.fixture(scope="session")
def shop_events() -> Callable[..., pa.Table]:
    """`shop_events(users, days, seed=0, habit=True)`: visits and orders before CUTOFF.

    With `habit` every user visits and orders at a rate of their own, so the past tells the
    future and counts tell more than recency. Without it all users have one rate and nothing
    can be predicted. A tenth of the events is received up to five days late.
    """
    return _shop_events


def _events_of(*rows: Mapping[str, Any]) -> pa.Table:
    at = [row.get("at", CUTOFF - timedelta(days=row.get("days_ago", 1.0))) for row in rows]
    received = [row.get("received", at[n]) for n, row in enumerate(rows)]
    return _table(
        ids=[row.get("id", f"e{number}") for number, row in enumerate(rows)],
        names=[row.get("name", "order") for row in rows],
        users=[row.get("user", "u1") for row in rows],
        at=pa.array(at, _STAMP),
        received=pa.array(received, _STAMP),
        items=[row.get("item") for row in rows],
        values=[row.get("value") for row in rows],
        properties=[row.get("properties", "{}") for row in rows],
    )


def _shop_events(users: int, days: int, seed: int = 0, habit: bool = True) -> pa.Table:
    rng = np.random.default_rng(seed)
    own = rng.gamma(0.6, 1 / 0.6, users) if habit else np.ones(users)
    counts = {name: rng.poisson(own * rate * days) for name, rate in _RATES.items()}
    who = np.concatenate([np.repeat(np.arange(users), count) for count in counts.values()])
    names = np.repeat(list(counts), [int(count.sum()) for count in counts.values()])
    start = np.datetime64(CUTOFF.replace(tzinfo=None), "us") - np.timedelta64(days, "D")
    at = start + (rng.uniform(0, days * 86_400e6, len(who))).astype("timedelta64[us]")
    late = rng.uniform(0, 5 * 86_400e6, len(who)) * (rng.random(len(who)) < 0.1)
    return _table(
        ids=[f"e{number}" for number in range(len(who))],
        names=names.tolist(),
        users=[f"u{user}" for user in who],
        at=pa.array(at).cast(_STAMP),
        received=pa.array(at + late.astype("timedelta64[us]")).cast(_STAMP),
        items=[f"i{n}" for n in rng.integers(0, 40, len(who))],
        values=np.round(rng.gamma(2.0, 10.0, len(who)), 2).tolist(),
        properties=np.where(rng.random(len(who)) < 0.3, '{"device": "phone"}', "{}").tolist(),
    )


_RATES = {"visit": 0.3, "order": 0.05}
"""Events a day."""


def _table(
    ids: list[str],
    names: list[str],
    users: list[str | None],
    at: pa.Array,
    received: pa.Array,
    items: list[str | None],
    values: list[float | None],
    properties: list[str],
) -> pa.Table:
    from tidemill.events.schema import EVENTS

    columns = {
        "event_id": ids,
        "name": names,
        "user_id": users,
        "anonymous_id": [None] * len(names),
        "item_id": items,
        "timestamp": at,
        "received_at": received,
        "value": values,
        "properties": properties,
    }
    return pa.table(columns, schema=EVENTS)


def _items(attributes: Mapping[str, str]) -> pa.Table:
    from tidemill.events.schema import ITEMS

    columns = {"item_id": list(attributes), "attributes": list(attributes.values())}
    return pa.table(columns, schema=ITEMS)
