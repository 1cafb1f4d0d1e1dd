"""What a home holds, at a glance. Reads files only: no tracking store, no feature store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tidemill.bundle import BundleMetadata
from tidemill.errors import BundleError, ObjectiveError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.live_model import is_judged
from tidemill.objective import known_objectives, resolve_objective
from tidemill.predictions import count_predictions
from tidemill.recommendation.shown import count_shown
from tidemill.report.history import monitor_runs
from tidemill.report.live import read_live


@dataclass(frozen=True)
class LiveStatus:
    """The live model, in the numbers that matter first."""

    version: str
    data_until: datetime
    """End of the newest label window it was judged on, UTC."""
    auc: float | None
    """On the test window; None for models that choose items."""
    ndcg: float | None
    """On the test window; None for models that predict an outcome."""
    grade_a_lift: float | None
    capture: float | None = None
    """On the test window, share of all value that the highest tenth held; of models of value."""


@dataclass(frozen=True)
class MonitorStatus:
    """What the newest monitor run said."""

    status: str
    at: datetime
    """The monitored instant, UTC."""


@dataclass(frozen=True)
class ObjectiveStatus:
    """One objective of the home."""

    name: str
    type: str
    """An objective's type, or `unreadable` when its file does not fit this version."""
    target: str
    live: LiveStatus | None
    is_refused: bool
    """Something was trained and judged, but nothing went live."""
    monitor: MonitorStatus | None
    predictions: int
    """Users answered, from the prediction log."""


@dataclass(frozen=True)
class HomeStatus:
    """The whole home."""

    home: str
    events: int
    last_event: datetime | None
    """UTC."""
    objectives: tuple[ObjectiveStatus, ...]


def look(home: Home, objective: str | None = None) -> HomeStatus:
    """All objectives, or one.

    Raises ObjectiveError for an objective that is not known, EventLogError for a broken log.
    """
    if objective is None:
        names: Sequence[str] = sorted({*known_objectives(home), *home.served_objectives()})
    else:
        names = [resolve_objective(home, objective).name]
    events, last_event = _events(home)
    found = tuple(_objective(home, name) for name in names)
    return HomeStatus(str(home.root), events, last_event, found)


def _events(home: Home) -> tuple[int, datetime | None]:
    with EventLog(home.events).connect() as con:
        row = con.execute("SELECT COUNT(*), MAX(timestamp) FROM events").fetchone()
    count, last = row if row is not None else (0, None)
    return int(count), None if last is None else last.astimezone(UTC)


def _objective(home: Home, name: str) -> ObjectiveStatus:
    try:
        declared = resolve_objective(home, name)
        kind: str = declared.type
        target = declared.about
    except ObjectiveError:
        kind, target = "unreadable", ""
    newest = next(monitor_runs(home, name), None)
    live = _live(home, name)
    answers = home.predictions(name)
    return ObjectiveStatus(
        name=name,
        type=kind,
        target=target,
        live=live,
        is_refused=live is None and is_judged(home, name),
        monitor=None if newest is None else MonitorStatus(newest.status, newest.at),
        predictions=count_predictions(answers) + count_shown(answers),
    )


def _live(home: Home, name: str) -> LiveStatus | None:
    try:
        live = read_live(home, name)
    except BundleError:
        return None
    metrics = live.metadata.metrics
    lift = None
    if isinstance(live.metadata, BundleMetadata):
        lift = live.metadata.grade_lift.get("A")
    return LiveStatus(
        version=live.version,
        data_until=live.data_until,
        auc=metrics.get("auc"),
        ndcg=metrics.get("ndcg"),
        grade_a_lift=lift,
        capture=metrics.get("capture"),
    )
