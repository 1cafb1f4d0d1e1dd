"""What an alert remembers between runs: the points it judged and the incidents it found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import orjson

from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_monitoring.alerting.incidents import Incident, Kind
from tidemill_monitoring.alerting.judging import Judged
from tidemill_monitoring.alerting.series import Series
from tidemill_monitoring.alerting.watching import Point, Watch

_FORMAT = 1
_FILE = "alert.json"
_KEPT_DAYS = 56
_KEPT_INCIDENTS = 200
_AMOUNTS = frozenset({"observed", "expected", "lower", "upper"})


@dataclass(frozen=True)
class Memory:
    """What was judged before, in the numbers of a series' periods."""

    until: int
    """The first period that was never judged."""
    points: Mapping[int, Point]
    incidents: tuple[Incident, ...]
    """Those that were found before the oldest point."""


NOTHING = Memory(0, {}, ())


def recall(home: Home, objective: Objective, series: Series) -> Memory | None:
    """What is remembered of the time before the end of `series`.

    None when nothing is, or when the objective was about something else.
    """
    path = home.monitoring(objective.name) / _FILE
    if not path.exists():
        return None
    stored = orjson.loads(path.read_bytes())
    if stored.get("format") != _FORMAT or stored["spec"] != objective.hash:
        return None
    shift = _shift(series, stored["start"])
    end = len(series.values)
    points = [_point(facts, shift, series.unit) for facts in stored["points"]]
    kept = {point.single.period: point for point in points if point.single.period < end}
    oldest = min(kept, default=0)
    incidents = (_incident(facts, shift, series.unit) for facts in stored["incidents"])
    until = min(stored["until"] + shift, end)
    return Memory(until, kept, tuple(each for each in incidents if each.found < oldest))


def remember(home: Home, objective: Objective, series: Series, found: Watch) -> None:
    """Replaces what was remembered at once. An instant that lies before it changes nothing."""
    path = home.monitoring(objective.name) / _FILE
    until = len(series.values)
    if _is_behind(path, objective, series, until):
        return
    oldest = _oldest_kept(found, until - _KEPT_DAYS * series.slots)
    points = [point for period, point in found.points.items() if period >= oldest]
    facts = {
        "format": _FORMAT,
        "spec": objective.hash,
        "start": series.start.isoformat(),
        "every_seconds": series.every.total_seconds(),
        "until": until,
        "points": [_in_amounts(asdict(point), series.unit) for point in points],
        "incidents": [
            _in_amounts(asdict(incident), series.unit)
            for incident in found.incidents[-_KEPT_INCIDENTS:]
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_bytes(orjson.dumps(facts))
    draft.replace(path)


def _oldest_kept(found: Watch, oldest: int) -> int:
    """No incident is cut in two: its points are kept from before it began, or not at all."""
    for incident in found.incidents:
        if incident.found < oldest <= incident.seen:
            oldest = incident.first if incident.is_open else incident.seen + 1
    return oldest


def _is_behind(path: Path, objective: Objective, series: Series, until: int) -> bool:
    if not path.exists():
        return False
    stored = orjson.loads(path.read_bytes())
    if stored.get("format") != _FORMAT or stored["spec"] != objective.hash:
        return False
    return until < int(stored["until"]) + _shift(series, stored["start"])


def _shift(series: Series, start: str) -> int:
    """From the numbers of periods that were kept to those of the series."""
    apart: timedelta = datetime.fromisoformat(start) - series.start
    return apart // series.every


def _in_amounts(facts: dict[str, Any], unit: float) -> dict[str, Any]:
    """With the metric's own amounts: the unit of a sum changes as the log grows."""
    return {
        key: _in_amounts(value, unit)
        if isinstance(value, dict)
        else (value * unit if key in _AMOUNTS else value)
        for key, value in facts.items()
    }


def _point(facts: dict[str, Any], shift: int, unit: float) -> Point:
    alarm = facts["alarm"]
    return Point(
        _judged(facts["single"], shift, unit),
        None if alarm is None else _judged(alarm, shift, unit),
        cast("Kind | None", facts["kind"]),
    )


def _judged(facts: dict[str, Any], shift: int, unit: float) -> Judged:
    return Judged(**{**_in_amounts(facts, 1 / unit), "period": facts["period"] + shift})


def _incident(facts: dict[str, Any], shift: int, unit: float) -> Incident:
    places = {key: facts[key] + shift for key in ("first", "last", "seen", "found")}
    amounts = {key: facts[key] / unit for key in ("observed", "expected")}
    surest = _judged(facts["surest"], shift, unit)
    return Incident(**{**facts, **places, **amounts, "surest": surest})
