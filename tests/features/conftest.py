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
from tidemill.objective import Objective, Target
from tidemill.predictions import hash_features
from tidemill.recommendation.history import History
from tidemill.recommendation.interests import InterestDefinition, InterestEvent
from tidemill_features.catalog import Catalog, Signal, save_catalog
from tidemill_features.engine import compute_features
from tidemill_features.follower import Follower
from tidemill_features.interests import compute_histories
from tidemill_features.materialization import materialize
from tidemill_features.place import Place, save_place

_FIELDS = ("by", "context", "exclude", "positions")


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
def interest_in() -> Callable[..., InterestDefinition]:
    """`interest_in("order", view=0.2, days=16, by="item.brand", ...)`: names and their weights."""

    def build(target: str = "order", days: float = 16, **others: Any) -> InterestDefinition:
        fields = {each: others.pop(each) for each in _FIELDS if each in others}
        events = (InterestEvent(event=target, where=others.pop("where", {})),)
        events += tuple(InterestEvent(event=name, weight=w) for name, w in others.items())
        horizon_us = int(days * 86_400_000_000)
        return InterestDefinition(events=events, horizon_us=horizon_us, **fields)

    return build


@pytest.fixture
def histories_of(
    events_of: Callable[..., pa.Table], con_of: Callable[..., Any], cutoff: datetime
) -> Callable[..., dict[str, History]]:
    """`histories_of(definition, {"item": "i1", "days_ago": 3}, ...)`: each user's history."""

    def compute(
        definition: InterestDefinition,
        *rows: Mapping[str, Any],
        items: Mapping[str, str] | None = None,
        users: list[str] | None = None,
    ) -> dict[str, History]:
        con = con_of(events_of(*rows), items)
        found = compute_histories(con, definition, cutoff, users)
        return {user: history for user, _, history in found}

    return compute


@pytest.fixture
def choosing() -> Callable[..., Objective]:
    """`choosing(within="16d", items={"by": "item.brand"}, kind="next_best_offer")`."""

    def build(kind: str = "recommendation", name: str = "chosen", **changes: Any) -> Objective:
        block = {"event": "order", "within": "16d", **changes}
        document = {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": name},
            "spec": {kind: block},
        }
        return Objective.model_validate(document)

    return build


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
