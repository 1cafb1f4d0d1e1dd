"""One signal, a few events, and its features by short name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Target
from tidemill.predictions import hash_features
from tidemill_features.catalog import Catalog, Signal, save_catalog
from tidemill_features.engine import compute_features
from tidemill_features.follower import Follower
from tidemill_features.materialization import materialize
from tidemill_features.place import Place, save_place


@pytest.fixture
def features_of(
    events_of: Callable[..., pa.Table], con_of: Callable[..., Any], cutoff: datetime
) -> Callable[..., dict[str, float | None]]:
    """`features_of({"days_ago": 3}, ...)`: features of user u1 over `order`, by aggregate.

    The user did something else 80 days ago, and so has a row in any case.
    """

    def compute(
        *rows: Mapping[str, Any],
        where: Mapping[str, str] | None = None,
        event: str | None = "order",
        items: Mapping[str, str] | None = None,
        at: datetime = cutoff,
    ) -> dict[str, float | None]:
        signal = Signal(event, where or {})
        con = con_of(events_of({"name": "other", "days_ago": 80}, *rows), items)
        catalog = Catalog().grown_by([signal])
        found = compute_features(con, catalog, [at], users=["u1"]).to_pylist()
        prefix = f"{signal.name}__"
        row = found[0] if found else {}
        return {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}

    return compute


@pytest.fixture
def target_of() -> Callable[..., Target]:
    """`target_of(days=28, event="order", where={...}, absent=False)`."""

    def build(
        days: float = 28,
        event: str | None = "order",
        where: Mapping[str, str] | None = None,
        absent: bool = False,
    ) -> Target:
        return Target(event, dict(where or {}), timedelta(days=days), absent)

    return build


@dataclass
class Followed:
    """A home whose store a batch has filled as of `cutoff`, and a follower of it."""

    home: Home
    log: EventLog
    catalog: Catalog
    follower: Follower
    said: list[str]
    events_of: Callable[..., pa.Table]

    def receive(self, *rows: Mapping[str, Any]) -> None:
        """Append events as `events_of`, with `device` for the anonymous id."""
        table = self.events_of(*rows)
        devices = pa.array([row.get("device") for row in rows], pa.string())
        at = table.column_names.index("anonymous_id")
        self.log.append(table.set_column(at, table.schema.field(at), devices))

    def catch_up(self, now: datetime) -> None:
        """Steps at `now` until nothing is left to do."""
        self.follower.step(now)
        while not self.follower.is_idle:
            self.follower.step(now)

    def restart(self) -> None:
        """As after kill -9: only what is on the disk is left."""
        self.follower = Follower(self.home, self.said.append)

    def instant(self, us: int) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


@pytest.fixture(scope="session")
def follow_home(
    events_of: Callable[..., pa.Table], shop_events: Callable[..., pa.Table], cutoff: datetime
) -> Callable[[Path], Followed]:
    """`follow_home(folder)`: six users with a month of events, and the store a batch has filled."""

    def build(folder: Path) -> Followed:
        home, said = Home(folder), list[str]()
        log = EventLog(home.events)
        log.append(shop_events(6, 30))
        catalog = Catalog(
            (Signal(None), Signal("order"), Signal("order", {"property.device": "phone"}))
        )
        save_catalog(home, catalog)
        materialize(home, cutoff)
        save_place(home, Place(log.version(), cutoff, hash_features(catalog.names)))
        return Followed(home, log, catalog, Follower(home, said.append), said, events_of)

    return build


@pytest.fixture
def followed(follow_home: Callable[[Path], Followed], tmp_path: Path) -> Followed:
    return follow_home(tmp_path / "followed")
