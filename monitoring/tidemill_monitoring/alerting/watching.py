"""Goes through the periods of a series one by one and keeps what was unusual as incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tidemill_monitoring.alerting.incidents import (
    Incident,
    Kind,
    begin,
    go_on,
    unusual,
)
from tidemill_monitoring.alerting.judging import Judge, Judged
from tidemill_monitoring.alerting.outlook import MINIMUM_HISTORY, known_periods
from tidemill_monitoring.alerting.series import Series

LEAST_COMPLETE = 0.7
"""A period of which less has usually arrived by now is not judged."""
BOTH: tuple[Kind, ...] = ("fell", "rose")


@dataclass(frozen=True)
class Point:
    """One period that was judged; numbers are in the series' unit."""

    single: Judged
    alarm: Judged | None = None
    """The surest test that passed for an alert."""
    kind: Kind | None = None


@dataclass
class Watch:
    """What was seen so far: points by their period, and incidents, both in order."""

    points: dict[int, Point] = field(default_factory=dict)
    incidents: list[Incident] = field(default_factory=list)

    def add(self, point: Point, periods_a_day: int) -> Incident | None:
        """One more point; returns the incident it belongs to, if it is open."""
        self.points[point.single.period] = point
        current = self.incidents[-1] if self.incidents else None
        if current is not None and current.is_open:
            again = point.alarm if point.kind == current.kind else None
            self.incidents[-1] = go_on(current, point.single, again, periods_a_day)
            return self.incidents[-1]
        if point.alarm is None or point.kind is None:
            return None
        self.incidents.append(begin(point.kind, point.alarm, periods_a_day))
        return self.incidents[-1]


def watch(
    series: Series,
    kinds: Sequence[Kind],
    first: int,
    before: Mapping[int, Point],
    earlier: Sequence[Incident] = (),
) -> Watch:
    """Judge all periods from `first` on, each from what came before it alone.

    `before` holds the points of earlier periods, `earlier` incidents that are older than those.
    """
    slots = series.slots
    found = Watch(incidents=[each for each in earlier if not each.is_open])
    for period in sorted(period for period in before if period < first):
        found.add(before[period], slots)
    judge = _judge(series, found.incidents, first)
    for period in range(first, len(series.values)):
        if series.complete[period] < LEAST_COMPLETE:
            continue
        tests = judge.judge(period)
        if not tests:
            continue
        passed = unusual(tests, kinds, slots)
        kind, alarm = passed if passed is not None else (None, None)
        incident = found.add(Point(tests[0], alarm, kind), slots)
        if incident is None:
            continue
        if incident.settled != 1:
            judge = _judge(series, found.incidents, period + 1)
        elif incident.last == period:
            for unlike in range(incident.first, period + 1):
                judge.forget(unlike)
    return found


def _judge(series: Series, incidents: Sequence[Incident], first: int) -> Judge:
    """Nothing of an incident tells what is usual, unless its level became the usual one: then what
    came before is brought to that level."""
    values = series.values / series.unit
    unlike = np.zeros(len(values))
    for incident in incidents:
        since = max(incident.first, 0)
        if incident.settled != 1:
            values = np.concatenate([values[:since] * incident.settled, values[since:]])
        else:
            unlike[since : max(incident.last + 1, 0)] = 1
    by_slot = series.by_slot(values)
    known = known_periods(by_slot) & (series.by_slot(unlike, filling=1.0) == 0)
    return Judge(
        by_slot,
        known,
        series.by_slot(series.complete, filling=1.0),
        series.by_slot(series.lateness),
        first // series.slots,
    )


def first_judgeable(series: Series) -> int:
    """The first period that has enough history; one behind the end where none has."""
    day = len(series.values) // series.slots - series.known_days + MINIMUM_HISTORY
    return min(day * series.slots, len(series.values)) if series.known_days else len(series.values)
