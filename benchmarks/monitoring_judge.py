"""All verdicts on one window, by the functions that `tidemill monitor` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from monitoring_streams import DAYS, NAMES, Window, promise_of, score

from tidemill_monitoring.base_rate import judge_base_rate, usual_rate
from tidemill_monitoring.decay.estimate import ScoredUsers, judge_estimate
from tidemill_monitoring.decay.features import Origin, judge_decay
from tidemill_monitoring.decay.known import KnownRows, sample_users
from tidemill_monitoring.decay.segments import Slices, judge_segments
from tidemill_monitoring.drift import Population
from tidemill_monitoring.earlier import MOST_WINDOWS, Earlier, EarlierWindow, remember
from tidemill_monitoring.performance import Outcomes, judge_performance
from tidemill_monitoring.populations import SCORE, Sides, compare
from tidemill_monitoring.quality import find_dead_features, judge_quality
from tidemill_monitoring.skew import find_skew, judge_skew
from tidemill_monitoring.values import find_value_faults
from tidemill_monitoring.verdicts import Decision, MonitorRun, Status, Verdict
from tidemill_monitoring.volumes import (
    earlier_windows,
    find_changes,
    uneven_features,
    unsteady_names,
)

_REBUILT = 1_000
_HORIZON = timedelta(days=28)


@dataclass
class Monitor:
    """Judges window after window against one reference and remembers what it said."""

    reference: Window
    names: Sequence[str] = NAMES
    events: Mapping[str, str | None] = field(default_factory=dict)
    """Event of each feature; empty when features have none."""
    history: tuple[EarlierWindow, ...] = ()
    trained: Sequence[Window] = ()
    """Windows in which the model was trained, oldest first."""

    def judge(self, window: Window) -> dict[str, Status]:
        """Status of each concern."""
        verdicts = self.verdicts(window)
        run = MonitorRun("x", window.start.isoformat(), DAYS, "1", verdicts, Decision(False, ""))
        self.history = (remember(run.to_json()), *self.history)[:MOST_WINDOWS]
        return {verdict.concern.value: verdict.status for verdict in verdicts}

    def verdicts(self, window: Window) -> tuple[Verdict, ...]:
        """Every concern that needs no event log beyond its daily counts, and no online store."""
        tested = self.reference
        outcomes = Outcomes(window.scores, window.grades, window.labels)
        trained = float(tested.labels.mean())
        usual = usual_rate(trained, len(tested.users), self.history)
        return (
            self._quality(window),
            self._skew(window),
            self._drift(window),
            judge_performance(outcomes, promise_of(tested)),
            judge_base_rate(window.labels, window.scores, usual),
            *(self._decay(window) if self.names is NAMES else ()),
        )

    def _decay(self, window: Window) -> tuple[Verdict, ...]:
        """What needs the model itself, which is known of the synthetic streams."""
        then, now = sample_users(known(self.reference), known(window))
        origins = {name: Origin(name, None) for name in self.names}
        promised = promise_of(self.reference)
        return (
            judge_decay(then, now, self.names, origins, score),
            judge_segments(then, now, slices(then), slices(now)),
            judge_estimate(
                ScoredUsers(self.reference.users, self.reference.scores),
                ScoredUsers(window.users, window.scores),
                window.grades,
                promised.metrics["auc"],
                None,
            ),
        )

    def _earlier(self) -> Earlier:
        return Earlier(self.history[0] if self.history else None, self.history)

    def _drift(self, window: Window) -> Verdict:
        changes = find_changes(window.daily, DAYS, window.start)
        unsteady = unsteady_names(window.daily, DAYS)
        sides = self._sides(window)
        return compare(sides, self._earlier(), self.events, changes, unsteady).verdict

    def _quality(self, window: Window) -> Verdict:
        before, now = self.reference.vectors, window.vectors
        uneven = uneven_features(self.events, unsteady_names(window.daily, DAYS))
        steady = [name not in uneven for name in self.names]
        names = [name for name, keep in zip(self.names, steady, strict=True) if keep]
        return judge_quality(
            find_changes(window.daily, DAYS, window.start),
            find_dead_features(before, now, self.names),
            find_value_faults(before[:, steady], now[:, steady], names),
            earlier_windows=earlier_windows(window.daily, DAYS),
            event_names=len(window.daily.names),
            trained_until=self.reference.start,
            horizon=_HORIZON,
            target_event=None,
        )

    def _skew(self, window: Window) -> Verdict:
        rows = np.random.default_rng(0).permutation(len(window.users))[:_REBUILT]
        skewed = find_skew(window.vectors[rows], window.rebuilt[rows], self.names)
        return judge_skew(skewed, len(rows), None)

    def _sides(self, window: Window) -> Sides:
        before, now = (population(each) for each in (self.reference, window))
        windows = [*(population(each) for each in self.trained), before]
        return Sides(before, self.reference.labels, now, windows, [*self.names, SCORE])


def known(window: Window) -> KnownRows:
    """Every user with their outcome, at one instant."""
    cutoffs = np.full(len(window.users), int(window.start.timestamp() * 1e6))
    return KnownRows(window.users, cutoffs, window.vectors, window.scores, window.labels)


def slices(rows: KnownRows) -> Slices:
    """Four bands of each of three normal features, two that the model reads and one it does not;
    and who has a value that others miss."""
    found = {}
    for column in (0, 1, 5):
        band = np.searchsorted((-1, 0, 1), rows.vectors[:, column])
        found |= {f"{NAMES[column]} band {number}": band == number for number in range(4)}
    return found | {f"has {NAMES[-1]}": ~np.isnan(rows.vectors[:, -1])}


def population(window: Window) -> Population:
    """Features and, last, the score."""
    values = np.column_stack([window.vectors, window.scores.astype(np.float32)])
    return Population(window.users, values)


def urgency(statuses: Mapping[str, Status]) -> Status:
    """The most urgent of all concerns."""
    for status in (Status.ACT, Status.WATCH):
        if status in statuses.values():
            return status
    return Status.OK
