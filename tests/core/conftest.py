"""Small real event logs and tables for the core's tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tidemill.events import EventLog
from tidemill.events.schema import EVENTS

NOON = datetime(2017, 3, 1, 12, tzinfo=UTC)

MakeEvents = Callable[..., pa.Table]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    """An empty log in a folder that does not exist yet."""
    return EventLog(tmp_path / "home" / "events")


@pytest.fixture
def make_events() -> MakeEvents:
    """Valid events with the given ids; keywords replace columns of all of them."""

    def make(*ids: str, **columns: Any) -> pa.Table:
        event = {
            "name": "order_completed",
            "user_id": "u1",
            "timestamp": NOON,
            "received_at": NOON,
            "properties": "{}",
            **columns,
        }
        return pa.Table.from_pylist([{**event, "event_id": name} for name in ids], schema=EVENTS)

    return make
