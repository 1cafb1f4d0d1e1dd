"""Deliveries as a collector makes them, and a spool that is used in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tidemill.collector.delivery import Delivery
from tidemill.collector.frames import decode
from tidemill.collector.spool import Spool
from tidemill.events.mapped import MappedEvent, Refusal

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.integers(-(10**18), 10**18)
EVENTS = st.builds(
    MappedEvent,
    *([st.none() | TEXT] * 5),
    st.none() | TIMES,
    TIMES,
    st.none() | st.floats(allow_nan=False),
    TEXT,
)
DELIVERIES = st.builds(
    Delivery,
    TEXT,
    TIMES,
    st.lists(EVENTS),
    st.lists(st.builds(Refusal, TEXT, TEXT)),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
"""Any that can be put into a spool."""

NOON_US = 1_488_369_600_000_000
"""2017-03-01T12:00:00Z."""


def event(event_id: str | None = "e1", **fields: Any) -> MappedEvent:
    given = {
        "name": "order_completed",
        "user_id": "u1",
        "anonymous_id": None,
        "item_id": None,
        "timestamp": NOON_US,
        "received_at": NOON_US + 1_000_000,
        "value": 9.5,
        "properties": '{"a":1}',
        **fields,
    }
    return MappedEvent(event_id=event_id, **given)


def delivery(*ids: str | None, source: str = "web", **fields: Any) -> Delivery:
    """Valid events with these ids."""
    given = {
        "received_at": NOON_US + 1_000_000,
        "events": [event(name) for name in ids],
        "refused": [],
        "clock_offset": None,
        **fields,
    }
    return Delivery(source=source, **given)


def with_spool(folder: Path, use: Callable[[Spool], Awaitable[Any]], max_bytes: int = 10**9) -> Any:
    """What `use` returns of a spool that is closed afterwards."""

    async def run() -> Any:
        spool = Spool(folder, max_bytes)
        try:
            return await use(spool)
        finally:
            await spool.close()

    return asyncio.run(run())


def put(folder: Path, *deliveries: Delivery) -> None:
    """Acknowledged, in one sealed segment."""

    async def use(spool: Spool) -> None:
        await asyncio.gather(*map(spool.put, deliveries))

    with_spool(folder, use)


def spooled(folder: Path) -> list[str | None]:
    """Event ids of all whole frames in the folder's segments, oldest first."""
    found = (decode(path.read_bytes()) for path in segments(folder))
    return [
        each.event_id
        for contents in found
        for delivery in contents.deliveries
        for each in delivery.events
    ]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tms1"))
