"""`tidemill monitor` of an alert: reads the series, goes on watching it, says what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.objective.alerting import Alert
from tidemill.report.writing import write_page
from tidemill_monitoring.alerting.contributors import Contributor, find_contributors
from tidemill_monitoring.alerting.incidents import Incident, Kind
from tidemill_monitoring.alerting.judging import Judged
from tidemill_monitoring.alerting.outlook import MINIMUM_HISTORY
from tidemill_monitoring.alerting.page import Facts, render_page
from tidemill_monitoring.alerting.sentences import (
    say_incident,
    say_incomplete,
    say_too_young,
    say_usual,
)
from tidemill_monitoring.alerting.series import (
    Series,
    end_of_whole_periods,
    read_series,
    too_young,
)
from tidemill_monitoring.alerting.state import NOTHING, Memory, recall, remember
from tidemill_monitoring.alerting.watching import BOTH, Watch, first_judgeable, watch
from tidemill_monitoring.keeping import keep_run
from tidemill_monitoring.verdicts import Decision, MonitorRun, Status, Verdict

if TYPE_CHECKING:
    import duckdb

PAGE = "alert.html"
_KINDS: Mapping[str, tuple[Kind, ...]] = {"both": BOTH, "up": ("rose",), "down": ("fell",)}
_FIRST_LOOK_DAYS = {1: 28, 24: 7}
"""By periods in a day: how far back the first run looks, for the page and what still goes on."""
_LONGEST_LOOK_DAYS = 56
"""No run judges more than that; older news is none."""


class AlertConcern(StrEnum):
    """What the verdict on an alert is about."""

    METRIC = "metric"


@dataclass(frozen=True)
class AlertInputs:
    """What an alert is judged by."""

    home: Home
    objective: Objective
    con: duckdb.DuckDBPyConnection
    at: datetime
    window_days: int
    """How far back days are judged again: what arrived late may have mended them."""
    is_log_end: bool
    """`at` is where the log ends, so its last period may lack some of its events."""

    @property
    def alert(self) -> Alert:
        assert self.objective.spec.alert is not None, "for alerts only"  # noqa: S101 - for mypy
        return self.objective.spec.alert


def run_alert(inputs: AlertInputs, log: Callable[[str], None]) -> tuple[MonitorRun, Path]:
    """The verdict, and the folder that holds it, its page and the series; see `run_monitor`."""
    log(f"counting the {inputs.objective.about}, before {inputs.at:%Y-%m-%d %H:%M} UTC")
    alert, at = inputs.alert, inputs.at
    end = end_of_whole_periods(inputs.con, at, alert.period, inputs.is_log_end)
    periods = _LONGEST_LOOK_DAYS * round(timedelta(days=1) / alert.period)
    series = read_series(inputs.con, alert, end, at, periods)
    memory = recall(inputs.home, inputs.objective, series)
    found = _watch(inputs, series, memory)
    verdict, contributors = _judge(inputs, series, found, memory)
    remember(inputs.home, inputs.objective, series, found)
    decision = Decision(False, "an alert trains nothing")
    name = inputs.objective.name
    run = MonitorRun(name, at.isoformat(), inputs.window_days, "", (verdict,), decision)
    folder = inputs.home.monitoring(name) / f"{at:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True, exist_ok=True)
    facts = Facts(inputs.objective, alert, series, found, verdict, contributors, at)
    write_page(folder / PAGE, render_page(facts, datetime.now(UTC)), "TIDEMILL_HOME=")
    keep_run(folder, run)
    return run, folder


def _watch(inputs: AlertInputs, series: Series, memory: Memory | None) -> Watch:
    end, slots = len(series.values), series.slots
    if memory is None:
        days = max(_FIRST_LOOK_DAYS[slots], inputs.window_days)
        first = end - days * slots
    else:
        first = max(memory.until - inputs.window_days * slots, end - _LONGEST_LOOK_DAYS * slots)
    first = max(first, first_judgeable(series))
    before = memory or NOTHING
    return watch(series, _KINDS[inputs.alert.direction], first, before.points, before.incidents)


def _judge(
    inputs: AlertInputs, series: Series, found: Watch, memory: Memory | None
) -> tuple[Verdict, list[Contributor]]:
    alert, end = inputs.alert, len(series.values)
    evidence: dict[str, Any] = {
        "about": inputs.objective.about,
        "every": alert.every,
        "until": series.begins(end).isoformat(),
        "periods": end - first_judgeable(series),
    }
    wait = too_young(series)
    if wait:
        sentence = say_too_young(alert, series, wait, MINIMUM_HISTORY)
        return _verdict(Status.UNDECIDED, sentence, evidence), []
    fresh = [p for p in found.points if p >= end - inputs.window_days * series.slots]
    if not fresh:
        return _verdict(Status.UNDECIDED, say_incomplete(alert), evidence), []
    newest = found.points[max(fresh)].single
    evidence |= _numbers(series, newest)
    incident = _topical(found.incidents, memory)
    evidence["incidents"] = [_spell(series, each) for each in found.incidents]
    if incident is None:
        return _verdict(Status.OK, say_usual(alert, series, newest), evidence), []
    parts = find_contributors(inputs.con, alert, series, incident, inputs.at)
    evidence["incident"] = _spell(series, incident) | {"is_new": _is_new(incident, memory)}
    evidence["contributors"] = [asdict(part) for part in parts]
    shown = _shown(found, incident)
    sentence = say_incident(alert, series, incident, shown, parts)
    is_urgent = incident.is_open and incident.is_serious
    return _verdict(Status.ACT if is_urgent else Status.WATCH, sentence, evidence), parts


def _topical(incidents: Sequence[Incident], memory: Memory | None) -> Incident | None:
    """The open incident, or one that began and ended since the last run, of which nobody knows."""
    if not incidents:
        return None
    last = incidents[-1]
    return last if last.is_open or (memory is not None and _is_new(last, memory)) else None


def _is_new(incident: Incident, memory: Memory | None) -> bool:
    """Whether it was found in this run: an earlier one had not seen where it showed."""
    return memory is None or incident.found >= memory.until


def _shown(found: Watch, incident: Incident) -> Judged:
    """The newest unusual period if it lies outside of its band, else the surest run."""
    point = found.points.get(incident.last)
    if point is None or point.single.lower <= point.single.observed <= point.single.upper:
        return incident.surest
    return point.single


def _verdict(status: Status, sentence: str, evidence: Mapping[str, Any]) -> Verdict:
    return Verdict(AlertConcern.METRIC, status, sentence, evidence)


def _numbers(series: Series, judged: Judged) -> dict[str, Any]:
    return {
        "period": series.begins(judged.period).isoformat(),
        **{
            key: round(getattr(judged, key) * series.unit, 2)
            for key in ("observed", "expected", "lower", "upper")
        },
    }


def _spell(series: Series, incident: Incident) -> dict[str, Any]:
    return {
        "kind": incident.kind,
        "opened": series.begins(incident.first).isoformat(),
        "last": series.begins(incident.last).isoformat(),
        "is_open": incident.is_open,
        "is_serious": incident.is_serious,
        "periods": incident.count,
        "observed": round(incident.observed * series.unit, 2),
        "expected": round(incident.expected * series.unit, 2),
        "ratio": round(incident.ratio, 3),
        "became_usual": incident.settled != 1,
    }
