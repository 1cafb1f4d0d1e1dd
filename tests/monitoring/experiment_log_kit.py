"""Homes with an experiment: who was answered in which arm, and what they did then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from tidemill.events import EventLog
from tidemill.events.schema import EVENTS
from tidemill.experiments.logged import Exposed, encode_assigned
from tidemill.experiments.running import Experiment, ExperimentBook
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.segments import SegmentLog

START = datetime(2024, 3, 4, tzinfo=UTC)
ARMS = [
    {"name": "control", "share": "50%", "serve": "champion"},
    {"name": "treated", "share": "50%", "serve": "rule"},
]
DECLARED = {"arms": ARMS, "metrics": [{"name": "buys", "event": "order", "within": "2d"}]}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def objective_of(declared: Mapping[str, Any] = DECLARED) -> Objective:
    spec = {"propensity": {"event": "order", "within": "2d"}, "experiment": declared}
    kind = {"apiVersion": "tidemill.dev/v1alpha1", "kind": "Objective"}
    return Objective.model_validate({**kind, "metadata": {"name": "shop"}, "spec": spec})


def started(home: Home, declared: Mapping[str, Any] = DECLARED) -> Experiment:
    """The declared experiment, running since START."""
    block = objective_of(declared).spec.experiment
    assert block is not None
    return ExperimentBook(home).start("shop", block, {}, START)


def answer(
    home: Home,
    *rows: tuple[str | None, str | None, float],
    experiment: str | None = "shop-1",
    serves: str | None = None,
) -> Path:
    """One answer for each (user, arm, day) in a segment of its own, whose path it gives."""
    log = SegmentLog(home.predictions("shop"))
    before = set(home.predictions("shop").glob("*"))
    own = {arm["name"]: arm["serve"] for arm in ARMS}
    for user, arm, at in rows:
        to = Exposed(
            experiment=experiment,
            arms=[arm],
            arm_probabilities=[0.5],
            serves=[serves or own.get(arm or "")],  # type: ignore[list-item]  # one of the literals
        )
        log.write(encode_assigned("shop", round(day(at).timestamp() * 1e6), [user], to))  # type: ignore[list-item]  # None is what a session without a user leaves
    log.close()
    (segment,) = set(home.predictions("shop").glob("*")) - before
    return segment


def happen(home: Home, *rows: Mapping[str, Any]) -> None:
    """Events with keys user, day, and perhaps name (order), value, properties, device, late."""
    events = [_event(number, row) for number, row in enumerate(rows)]
    EventLog(home.events).append(pa.Table.from_pylist(events, schema=EVENTS))


def _event(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    at = day(row["day"])
    return {
        "event_id": row.get("id", f"{number} {row}"),
        "name": row.get("name", "order"),
        "user_id": row.get("user"),
        "anonymous_id": row.get("device"),
        "item_id": row.get("item"),
        "timestamp": at,
        "received_at": at + timedelta(days=row.get("late", 0)),
        "value": row.get("value"),
        "properties": row.get("properties", "{}"),
    }


def orders(users: Sequence[str], at: float) -> list[dict[str, Any]]:
    """An order of each user at a day."""
    return [{"user": user, "day": at} for user in users]
