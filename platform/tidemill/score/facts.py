"""What the home says about an objective, as far as the rubric asks; reads, never writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from tidemill.bundle import EVALUATION_FILE
from tidemill.errors import BundleError
from tidemill.events.plan import TrackingPlan, load_plan
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.promotions import Promotion
from tidemill.recommendation.bundle import AnyMetadata
from tidemill.report.history import MonitorRun, monitor_runs
from tidemill.report.live import LiveModel, read_live
from tidemill.tracking import was_used

RUNS_READ = 60
"""Newest monitor runs; more would not make a test more repeated."""

Live = LiveModel[AnyMetadata]


@dataclass(frozen=True)
class ScoreFacts:
    """All that the checks look at."""

    home: Home
    objective: Objective
    at: datetime
    """The instant that evidence must be fresh at, UTC."""
    live: Live | None
    evaluation: Mapping[str, Any]
    """What training measured of the live version; empty without one."""
    versions: tuple[Mapping[str, Any], ...]
    """As the registry lists them, newest first."""
    promotions: tuple[Promotion, ...]
    """Every promotion and rollback there was, oldest first."""
    runs: tuple[MonitorRun, ...]
    """Newest first, none later than `at`."""
    plan: TrackingPlan
    notified: Mapping[str, Any]
    """What the notifications remember: `delivered_at` once one arrived."""

    def is_fresh(self, run: MonitorRun) -> bool:
        """Not older than two of its own windows: between them nothing was left unseen for long."""
        return self.at - run.at <= 2 * timedelta(days=run.window_days)


def gather(home: Home, objective: Objective, at: datetime) -> ScoreFacts:
    """Everything the home knows up to `at`. Raises BundleError for a registry that refuses."""
    name = objective.name
    live = _live(home, name)
    versions, promotions = _registered(home, name)
    known = (run for run in monitor_runs(home, name) if run.at <= at)
    return ScoreFacts(
        home=home,
        objective=objective,
        at=at,
        live=live,
        evaluation={} if live is None else _read(home, name, live.version),
        versions=versions,
        promotions=promotions,
        runs=tuple(islice(known, RUNS_READ)),
        plan=load_plan(home.events),
        notified=_notified(home, name),
    )


def _live(home: Home, name: str) -> Live | None:
    try:
        return read_live(home, name)
    except BundleError:
        return None


def _read(home: Home, name: str, version: str) -> Mapping[str, Any]:
    path = home.served(name) / version / EVALUATION_FILE
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _registered(
    home: Home, name: str
) -> tuple[tuple[Mapping[str, Any], ...], tuple[Promotion, ...]]:
    if not was_used(home):
        return (), ()
    from tidemill.registry import Registry  # imports mlflow

    registry = Registry(home)
    return tuple(registry.versions(name)), tuple(registry.promotions(name))


def _notified(home: Home, name: str) -> Mapping[str, Any]:
    path = home.notifications(name) / "state.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found
