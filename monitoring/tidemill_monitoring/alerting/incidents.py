"""One incident from its first unusual period to its last, however often somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tidemill_monitoring.alerting.judging import Judged

Kind = Literal["fell", "rose"]
FALSE_ALERTS = 0.8 / 56
"""Alerts a day, at most, on data where nothing happened: less than one in eight weeks."""
SMALLEST_FALL, SMALLEST_RISE = 0.85, 1.2
"""Ratios to the expectation; less is not worth a person's time, however sure."""
_SURE = 1e-4
_FAR_FALL, _FAR_RISE = 0.7, 1.5
_LONG = {1: 3, 24: 6}
"""By periods in a day: after so many unusual periods it is no blip."""
_LONG_FALL, _LONG_RISE = 0.8, 1.3
CALM = {1: 2, 24: 6}
"""So many periods in a row like the forecast end an incident."""
_AS_GOOD_AS_NONE = 0.01
"""An event that stopped keeps so much of its past, that it may be seen to come back."""
SETTLED_DAYS = 14
"""After so long the new level is the usual one."""


@dataclass(frozen=True)
class Incident:
    """Numbers of periods count from the start of the series."""

    kind: Kind
    first: int
    last: int
    """The newest unusual period."""
    seen: int
    """The newest period that was judged."""
    observed: float
    expected: float
    """Sums over the unusual periods."""
    count: int
    """How many those are."""
    surest: Judged
    is_serious: bool
    is_open: bool
    found: int = 0
    """The period whose judgement showed it."""
    settled: float = 1.0
    """Where it lasted so long that its level became the usual one: by how much that differs."""

    @property
    def ratio(self) -> float:
        return self.observed / max(self.expected, 0.5)


def unusual(
    found: Sequence[Judged], kinds: Sequence[Kind], periods_a_day: int
) -> tuple[Kind, Judged] | None:
    """The surest of the tests of one period that passes for an alert, and which way it points."""
    each_way = FALSE_ALERTS / periods_a_day / len(kinds)
    passed = [
        (_chance(each, kind), kind, each)
        for each in found
        for kind in kinds
        if _chance(each, kind) <= each_way and _is_worth_it(each, kind)
    ]
    if not passed:
        return None
    _, kind, surest = min(passed, key=lambda one: one[0])
    return kind, surest


def begin(kind: Kind, surest: Judged, periods_a_day: int) -> Incident:
    """A new incident; of a run, all periods."""
    incident = Incident(
        kind,
        surest.period - surest.length + 1,
        surest.period,
        surest.period,
        surest.observed,
        surest.expected,
        surest.length,
        surest,
        is_serious=False,
        is_open=True,
        found=surest.period,
    )
    return _weighed(incident, periods_a_day)


def go_on(incident: Incident, single: Judged, again: Judged | None, periods: int) -> Incident:
    """The incident after one more period: `single` is its own test, `again` the surest one that
    passed for an alert of the same kind."""
    period = single.period
    if again is None and not _is_alike(incident, single):
        is_open = period - incident.last < CALM[periods]
        return replace(incident, seen=period, is_open=is_open)
    surest = incident.surest
    if again is not None and _chance(again, incident.kind) < _chance(surest, incident.kind):
        surest = again
    grown = replace(
        incident,
        last=period,
        seen=period,
        observed=incident.observed + single.observed,
        expected=incident.expected + single.expected,
        count=incident.count + 1,
        surest=surest,
    )
    if period - incident.first + 1 >= SETTLED_DAYS * periods:
        return replace(grown, is_open=False, settled=max(grown.ratio, _AS_GOOD_AS_NONE))
    return _weighed(grown, periods)


def _chance(found: Judged, kind: Kind) -> float:
    return found.p_fall if kind == "fell" else found.p_rise


def _is_worth_it(found: Judged, kind: Kind) -> bool:
    ratio = found.observed / max(found.expected, 0.5)
    return ratio <= SMALLEST_FALL if kind == "fell" else ratio >= SMALLEST_RISE


def _is_alike(incident: Incident, single: Judged) -> bool:
    """Nearer to the incident's level than to what is usual."""
    middle = (1 + incident.ratio) / 2
    ratio = single.observed / max(single.expected, 0.5)
    return ratio < middle if incident.kind == "fell" else ratio > middle


def _weighed(incident: Incident, periods: int) -> Incident:
    """Serious by how far out or by how long; what was serious stays so."""
    fell, ratio = incident.kind == "fell", incident.ratio
    far = ratio <= _FAR_FALL if fell else ratio >= _FAR_RISE
    long = ratio <= _LONG_FALL if fell else ratio >= _LONG_RISE
    is_sure = _chance(incident.surest, incident.kind) <= _SURE
    is_serious = (far and is_sure) or (long and incident.count >= _LONG[periods])
    return replace(incident, is_serious=incident.is_serious or is_serious)
