"""What the checks read: the champion, the prediction log, the event log, each at most once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import BundleMetadata
from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.predictions import read_predictions
from tidemill_features.catalog import Catalog, load_catalog
from tidemill_monitoring.champion import Reference, ServedModels
from tidemill_monitoring.earlier import Earlier, read_earlier
from tidemill_monitoring.event_counts import read_daily_counts
from tidemill_monitoring.freshness.asked import AskedRows
from tidemill_monitoring.served import ServedHistory, from_us, read_served
from tidemill_monitoring.volumes import (
    DailyCounts,
    VolumeChange,
    find_changes,
    uneven_features,
    unsteady_names,
)

if TYPE_CHECKING:
    import duckdb

    from tidemill.objective import Objective

_LABEL_LAG = timedelta(days=1)
"""How long the log may have been silent and still be trusted to hold all outcomes."""


@dataclass(frozen=True)
class LogInputs:
    """What every monitored objective has: a place in the event log, and a version that is live."""

    home: Home
    objective: Objective
    con: duckdb.DuckDBPyConnection
    at: datetime
    window_days: int

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.window_days)

    @cached_property
    def models(self) -> ServedModels:
        return ServedModels(self.home, self.objective.name)

    @cached_property
    def version(self) -> str:
        return self.models.current_version()

    @cached_property
    def earlier(self) -> Earlier:
        """What earlier runs said about the version that is live."""
        folder = self.home.monitoring(self.objective.name)
        return read_earlier(folder, self.at, self.window, self.version)

    @cached_property
    def newest_event(self) -> datetime:
        """When the last event before `at` happened; `at` for a log without any."""
        row = self.con.execute(
            "SELECT epoch_us(MAX(timestamp)) FROM events WHERE timestamp < $at", {"at": self.at}
        ).fetchone()
        newest = None if row is None else row[0]
        return self.at if newest is None else from_us(newest)

    @cached_property
    def outcomes_known_until(self) -> datetime:
        """`at`, or earlier when the log fell silent: a missing event is then no proof."""
        return min(self.at, self.newest_event + _LABEL_LAG)

    @cached_property
    def daily_counts(self) -> DailyCounts:
        return read_daily_counts(self.con, self.at, self.window_days)

    @cached_property
    def changes(self) -> list[VolumeChange]:
        return find_changes(self.daily_counts, self.window_days, self.at - self.window)

    @cached_property
    def unsteady(self) -> frozenset[str]:
        """Event names whose volume ordinarily comes and goes."""
        return unsteady_names(self.daily_counts, self.window_days)


class MonitorInputs(LogInputs):
    """Everything that is read once and used by several checks of a predicted outcome."""

    @cached_property
    def metadata(self) -> BundleMetadata:
        metadata = self.models.metadata(self.version)
        assert metadata is not None  # noqa: S101  # current_version saw the file
        return metadata

    @cached_property
    def reference(self) -> Reference:
        return self.models.reference(self.version, self.metadata.features)

    @property
    def history(self) -> ServedHistory:
        return self._log[0]

    @property
    def asked(self) -> AskedRows:
        """What the answers read from the online store."""
        return self._log[1]

    @cached_property
    def _log(self) -> tuple[ServedHistory, AskedRows]:
        """The prediction log is read once; it may be the largest of all."""
        asked = AskedRows(self.at, self.window)
        history = read_served(
            asked.watch(read_predictions(self.home.predictions(self.objective.name), asked.lose)),
            features=self.metadata.features,
            bundle_of=self._bundle_of,
            at=self.at,
            window=self.window,
            known_at=self.outcomes_known_until - self.objective.target.within,
        )
        return history, asked

    def _bundle_of(self, version: str) -> BundleMetadata | None:
        """None for an earlier version whose bundle is gone, or cannot be read any more."""
        try:
            return self.models.metadata(version)
        except BundleError:
            if version == self.version:
                raise
            return None

    @cached_property
    def happened(self) -> NDArray[np.bool_]:
        """What came true of each of `history.closed` after its cutoff; empty before any."""
        from tidemill_features.labels import label_pairs  # duckdb

        closed = self.history.closed
        if closed is None:
            return np.empty(0, dtype=np.bool_)
        users, cutoffs = closed.users.tolist(), closed.cutoffs.tolist()
        return label_pairs(self.con, self.objective.target, users, cutoffs)

    @property
    def first_outcome_at(self) -> datetime | None:
        """When the first horizon closes; None when nothing was predicted."""
        first = self.history.first_cutoff
        return None if first is None else first + self.objective.target.within

    @cached_property
    def catalog(self) -> Catalog:
        return load_catalog(self.home)

    @cached_property
    def comparable(self) -> NDArray[np.intp]:
        """Columns that can be compared over time: those that do not only grow with it.

        A window that reached back before the first event when the reference was taken grows too.
        """
        firsts = self.daily_counts.first_seen
        newest = from_us(self.reference.cutoffs.max(initial=0))
        history = (newest - min(firsts, default=newest)).days
        growing = {
            feature.name
            for feature in self.catalog.features
            if feature.aggregate.grows or lookback_days(feature.aggregate.name) > history
        }
        return np.flatnonzero([name not in growing for name in self.metadata.features])

    @cached_property
    def steady(self) -> NDArray[np.intp]:
        """Comparable columns whose event does not ordinarily come and go."""
        events = {feature.name: feature.event for feature in self.catalog.features}
        uneven = uneven_features(events, self.unsteady)
        names = self.metadata.features
        kept = [column for column in self.comparable if names[column] not in uneven]
        return np.asarray(kept, dtype=np.intp)


def lookback_days(aggregate: str) -> int:
    """28 for `count_28d`; 0 for an aggregate without a window."""
    found = re.search(r"_(\d+)d$", aggregate)
    return 0 if found is None else int(found[1])
