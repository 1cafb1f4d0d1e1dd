"""Synthetic event logs whose truth is known: how far the past tells of orders, if at all.

Every user visits, searches and puts into carts at rates of their own, which wander over weeks. How
often they order depends, with `strength`, on their searches and carts of the last fortnight.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.events.schema import EVENTS

END = datetime(2024, 6, 1, tzinfo=UTC)
DAYS = 180
_RATES = {"visit": 0.2, "search": 0.15, "cart": 0.1}
"""Events a day of the average user."""
_ORDERS = 0.02
_LOOKS_BACK = 14
_WANDERS = 0.15
_STAMP = pa.timestamp("us", tz="UTC")


def log_of(rng: np.random.Generator, users: int, strength: float) -> pa.Table:
    """Events of `users` over DAYS days before END. `strength` 0: nothing tells of orders."""
    counts = {name: np.zeros((DAYS, users), dtype=np.int64) for name in _RATES}
    moods = {name: rng.normal(0, 1, users) for name in _RATES}
    orders = np.zeros((DAYS, users), dtype=np.int64)
    for day in range(DAYS):
        for name, rate in _RATES.items():
            step = _WANDERS * rng.normal(0, 1, users)
            moods[name] = moods[name] * np.sqrt(1 - _WANDERS**2) + step
            counts[name][day] = rng.poisson(rate * np.exp(0.8 * moods[name] - 0.32))
        lately = slice(max(0, day - _LOOKS_BACK), day)
        pull = _standard(counts["search"][lately]) + _standard(counts["cart"][lately])
        weight = np.exp(strength * pull)
        orders[day] = rng.poisson(_ORDERS * weight / weight.mean())
    return _table(rng, {**counts, "order": orders}, np.arange(users))


def shuffled(rng: np.random.Generator, log: pa.Table) -> pa.Table:
    """The same log, each order by a user who is drawn anew."""
    names = np.asarray(log.column("name").to_pylist())
    owners = np.asarray(log.column("user_id").to_pylist(), dtype=object)
    everybody, drawn = np.unique(owners), names == "order"
    owners[drawn] = rng.choice(everybody, int(drawn.sum()))
    position = log.schema.get_field_index("user_id")
    return log.set_column(position, log.schema.field(position), pa.array(owners, pa.string()))


def _standard(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of each user's sum, standardised."""
    sums = np.log1p(counts.sum(axis=0))
    return np.asarray((sums - sums.mean()) / max(1e-9, float(sums.std())))


def _table(
    rng: np.random.Generator, counts: dict[str, NDArray[np.int64]], users: NDArray[np.int64]
) -> pa.Table:
    names, days, owners = [], [], []
    for name, found in counts.items():
        day, user = np.nonzero(found)
        times = found[day, user]
        days.append(np.repeat(day, times))
        owners.append(np.repeat(users[user], times))
        names += [name] * int(times.sum())
    day, owner = np.concatenate(days), np.concatenate(owners)
    start = np.datetime64((END - timedelta(days=DAYS)).replace(tzinfo=None), "us")
    at = start + ((day + rng.random(len(day))) * 86_400e6).astype("timedelta64[us]")
    stamps = pa.array(at).cast(_STAMP)
    size = len(names)
    columns = {
        "event_id": [f"e{number}" for number in range(size)],
        "name": names,
        "user_id": [f"u{user}" for user in owner],
        "anonymous_id": pa.nulls(size, pa.string()),
        "item_id": pa.nulls(size, pa.string()),
        "timestamp": stamps,
        "received_at": stamps,
        "value": pa.nulls(size, pa.float64()),
        "properties": ["{}"] * size,
    }
    return pa.table(columns, schema=EVENTS)
