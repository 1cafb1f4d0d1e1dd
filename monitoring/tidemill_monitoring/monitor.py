"""Gathers what each check needs, asks it for a verdict, and keeps the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill.bundle import BundleMetadata
from tidemill.home import Home
from tidemill.predictions import read_predictions
from tidemill_features.catalog import load_catalog
from tidemill_monitoring import drift_verdict, performance
from tidemill_monitoring.champion import Reference, ServedModels
from tidemill_monitoring.decision import decide
from tidemill_monitoring.drift import ColumnDrift, Population, measure_drift
from tidemill_monitoring.event_counts import read_daily_counts
from tidemill_monitoring.quality import find_dead_features, judge_quality
from tidemill_monitoring.rebuild import rebuild_vectors, sample_pairs
from tidemill_monitoring.retraining import read_state
from tidemill_monitoring.served import ClosedAnswers, ServedHistory, from_us, read_served
from tidemill_monitoring.skew import find_skew, judge_skew
from tidemill_monitoring.snapshots import choose_columns, draw_snapshot
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, MonitorRun, Verdict
from tidemill_monitoring.volumes import VolumeChange, earlier_windows, find_changes

if TYPE_CHECKING:
    import duckdb

    from tidemill.objective import Objective

SCORE = "score"
_DAY = timedelta(days=1)
_LABEL_LAG = _DAY
"""How long the log may have been silent and still be trusted to hold all outcomes."""


@dataclass(frozen=True)
class MonitorInputs:
    """Everything that is read once and used by several checks."""

    home: Home
    objective: Objective
    con: duckdb.DuckDBPyConnection
    at: datetime
    window_days: int

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.window_days)

    @property
    def start(self) -> datetime:
        return self.at - self.window

    @cached_property
    def models(self) -> ServedModels:
        return ServedModels(self.home.served(self.objective.name))

    @cached_property
    def version(self) -> str:
        return self.models.current_version()

    @cached_property
    def metadata(self) -> BundleMetadata:
        metadata = self.models.metadata(self.version)
        assert metadata is not None  # noqa: S101  # current_version saw the file
        return metadata

    @cached_property
    def reference(self) -> Reference:
        return self.models.reference(self.version, self.metadata.features)

    @cached_property
    def outcomes_known_until(self) -> datetime:
        """`at`, or earlier when the log fell silent: a missing event is then no proof."""
        row = self.con.execute(
            "SELECT epoch_us(MAX(timestamp)) FROM events WHERE timestamp < $at", {"at": self.at}
        ).fetchone()
        newest = None if row is None else row[0]
        return self.at if newest is None else min(self.at, from_us(newest) + _LABEL_LAG)

    @cached_property
    def history(self) -> ServedHistory:
        return read_served(
            read_predictions(self.home.predictions(self.objective.name)),
            features=self.metadata.features,
            bundle_of=self.models.metadata,
            at=self.at,
            window=self.window,
            known_at=self.outcomes_known_until - self.objective.target.within,
        )

    @cached_property
    def events_of(self) -> dict[str, str | None]:
        """Feature to the event it counts."""
        return {feature.name: feature.event for feature in load_catalog(self.home).features}

    @cached_property
    def comparable(self) -> NDArray[np.intp]:
        """Columns that can be compared over time: those that do not only grow."""
        catalog = load_catalog(self.home).features
        growing = {feature.name for feature in catalog if feature.aggregate.grows}
        names = self.metadata.features
        return np.flatnonzero([name not in growing for name in names])

    @cached_property
    def changes(self) -> list[VolumeChange]:
        daily = read_daily_counts(self.con, self.at, self.window_days)
        return find_changes(daily, self.window_days, self.start)


def run_monitor(inputs: MonitorInputs, folder: Path, log: Callable[[str], None]) -> MonitorRun:
    """All checks; writes evidently.html, evidently.json and verdict.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = []
    for words, check in (
        ("event volumes and features", _check_quality),
        ("served vectors against their offline rebuild", _check_skew),
    ):
        log(words)
        verdicts.append(check(inputs))
    log("drift")
    verdicts.append(_check_drift(inputs, folder))
    log("outcomes")
    verdicts += _check_outcomes(inputs)
    spec = inputs.objective.spec
    decision = decide(
        verdicts,
        read_state(inputs.home, inputs.objective.name),
        inputs.at,
        spec.monitoring.retrain.cooldown,
        inputs.objective.target.event,
    )
    run = MonitorRun(
        objective=inputs.objective.name,
        at=inputs.at.isoformat(),
        window_days=inputs.window_days,
        model_version=inputs.version,
        verdicts=tuple(verdicts),
        decision=decision,
    )
    _write_json(folder / "verdict.json", run.to_json())
    return run
