"""Two verdicts on volumes: each event by itself, and each event beside all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.event_log.alarms import (
    Band,
    VolumeAlarm,
    find_alarms,
    usual_band,
)
from tidemill_monitoring.event_log.arrivals import Arrivals
from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.forecasts import (
    MINIMUM_HISTORY,
    Forecasts,
    beside_siblings,
    forecast,
)
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status, Verdict, join_names

_COLLAPSE = 0.5
"""A volume that lost half, and still does, is for now, not for later."""
_LOST_TRACKING = 0.7
_SHARED_FALL = 0.8
"""Below this the typical event fell too."""
_SHOWN = 3
NOTHING_JUDGED: Mapping[str, Any] = {"names_judged": 0, "days_judged": [], "alarms": []}


@dataclass(frozen=True)
class Volumes:
    """What is known about volumes, for the verdicts and the page."""

    forecasts: Forecasts
    band: Band
    alarms: Sequence[VolumeAlarm]
    typical: NDArray[np.float64] | None
    """[judged days]: observed over expected of the typical event; None without siblings."""
    lost: Sequence[VolumeAlarm]
    """Events that fell while the typical event did not."""


def measure_volumes(arrivals: Arrivals, span: Span) -> Volumes:
    """Forecasts, bands and alarms of the judged days."""
    forecasts = forecast(arrivals, span.judged)
    beside = beside_siblings(forecasts)
    lost = [] if beside is None else [a for a in find_alarms(beside[0]) if a.kind == "fell"]
    return Volumes(
        forecasts,
        usual_band(forecasts),
        find_alarms(forecasts),
        None if beside is None else beside[1],
        lost,
    )


def judge_silence(last_event: datetime | None, span: Span) -> Verdict | None:
    """The verdict on volumes when the judged days hold no event at all; None when they do.

    `last_event` is the newest event before the end of the span.
    """
    if last_event is None:
        sentence = "The log holds no event of a whole day; send or import some."
        return Verdict(LogConcern.VOLUMES, Status.UNDECIDED, sentence, NOTHING_JUDGED)
    if last_event >= span.judged_from:
        return None
    sentence = (
        f"No event at all since {last_event:%Y-%m-%d}: collection stopped. Check the senders, "
        "their write keys and the collector."
    )
    return Verdict(LogConcern.VOLUMES, Status.ACT, sentence, NOTHING_JUDGED)


def judge_volumes(volumes: Volumes, span: Span) -> Verdict:
    """Each event against its own past."""
    found = volumes.forecasts
    evidence = {
        "names_judged": len(found.names),
        "days_judged": [_day(day, span) for day in np.flatnonzero(found.judged).tolist()],
        "alarms": [_spell(alarm, span) for alarm in volumes.alarms],
    }
    if not found.names or not found.judged.any():
        return Verdict(LogConcern.VOLUMES, Status.UNDECIDED, _too_short(found), evidence)
    if not volumes.alarms:
        sentence = (
            f"{len(found.names)} event names came in their usual volumes on "
            f"{int(found.judged.sum())} days."
        )
        return Verdict(LogConcern.VOLUMES, Status.OK, sentence, evidence)
    explained = {alarm.name for alarm in volumes.lost}
    urgent = any(
        alarm.kind == "fell" and alarm.ongoing and alarm.ratio <= _COLLAPSE
        for alarm in volumes.alarms
    )
    sentence = " ".join(_sentences(volumes, explained, span))
    return Verdict(LogConcern.VOLUMES, Status.ACT if urgent else Status.WATCH, sentence, evidence)


def judge_tracking(volumes: Volumes, span: Span) -> Verdict:
    """Each event against what the others did on the same days."""
    evidence = {
        "typical_ratio": None if volumes.typical is None else volumes.typical.tolist(),
        "alarms": [_spell(alarm, span) for alarm in volumes.lost],
    }
    if volumes.typical is None:
        sentence = (
            "Fewer than four event names are frequent enough to compare events with each other."
        )
        return Verdict(LogConcern.TRACKING, Status.UNDECIDED, sentence, evidence)
    if not volumes.lost:
        sentence = "No event fell behind the others."
        return Verdict(LogConcern.TRACKING, Status.OK, sentence, evidence)
    losing = [a for a in volumes.lost if a.ongoing and a.ratio <= _LOST_TRACKING]
    shown = losing or list(volumes.lost)
    sentence = (
        f"{_list(shown, span)}, while the other events did not: its tracking may be broken. "
        "Check what was released just before."
    )
    return Verdict(LogConcern.TRACKING, Status.ACT if losing else Status.WATCH, sentence, evidence)


def _too_short(found: Forecasts) -> str:
    if found.names:
        return "No day is complete enough yet to be judged; look again tomorrow."
    return (
        f"No event name has {MINIMUM_HISTORY} days before the judged ones; wait, or judge fewer "
        "days with `--days`."
    )


def _sentences(volumes: Volumes, explained: set[str], span: Span) -> list[str]:
    fell = [a for a in volumes.alarms if a.kind == "fell" and a.name not in explained]
    together = [a for a in fell if _typical_ratio(volumes, a, len(fell)) < _SHARED_FALL]
    alone = [a for a in fell if a not in together]
    behind = [a.name for a in volumes.alarms if a.kind == "fell" and a.name in explained]
    rose = [a for a in volumes.alarms if a.kind == "rose"]
    sentences = []
    if together:
        sentences.append(
            f"{_list(together, span)}: everything fell together. A holiday, less demand, or an "
            "outage; check that collection works."
        )
    if alone:
        sentences.append(f"{_list(alone, span)}. Check what changed.")
    if behind:
        sentences.append(f"{join_names(behind)} fell alone: see tracking.")
    if rose:
        sentences.append(f"{_list(rose, span)}. A campaign, a bot, or events sent twice?")
    return sentences


def _typical_ratio(volumes: Volumes, alarm: VolumeAlarm, fallen: int) -> float:
    """What became of the typical event; of too few to have one, all must have fallen."""
    if volumes.typical is None:
        return alarm.ratio if fallen == len(volumes.forecasts.names) > 1 else 1.0
    return float(np.median(volumes.typical[list(alarm.days)]))


def _list(alarms: Sequence[VolumeAlarm], span: Span) -> str:
    shown = "; ".join(_phrase(alarm, span) for alarm in alarms[:_SHOWN])
    return shown + (f"; and {len(alarms) - _SHOWN} more" if len(alarms) > _SHOWN else "")


def _phrase(alarm: VolumeAlarm, span: Span) -> str:
    return (
        f"`{alarm.name}` {alarm.kind} to {alarm.ratio:.0%} of what was expected "
        f"{_when(alarm, span)} ({alarm.observed:,.0f} events, {alarm.expected:,.0f} expected)"
    )


def _when(alarm: VolumeAlarm, span: Span) -> str:
    first, last = _day(alarm.days[0], span), _day(alarm.days[-1], span)
    if alarm.ongoing:
        return f"since {first}"
    return f"on {first}" if first == last else f"from {first} to {last}"


def _spell(alarm: VolumeAlarm, span: Span) -> Mapping[str, object]:
    return {
        "name": alarm.name,
        "kind": alarm.kind,
        "days": [_day(day, span) for day in alarm.days],
        "observed": alarm.observed,
        "expected": round(alarm.expected, 1),
        "ratio": round(alarm.ratio, 3),
        "p_value": alarm.p_value,
        "ongoing": alarm.ongoing,
    }


def _day(judged_day: int, span: Span) -> str:
    return span.spell(span.history + judged_day)
