"""Small multiples of daily volume: what came, where it usually lies, and which days are alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tidemill.report.svg import Drawing, Scale
from tidemill_monitoring.event_log.alarms import VolumeAlarm
from tidemill_monitoring.event_log.report import QualityReport
from tidemill_monitoring.event_log.span import Span

_MOST = 60
"""Drawings on a page; the others are calm, and smaller."""
_DAYS_BEFORE = 42
_WIDTH, _HEIGHT = 300.0, 116.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 294.0, 8.0, 92.0


@dataclass(frozen=True)
class Multiple:
    """One event name."""

    name: str
    words: str
    status: str
    """ok, watch, act or undecided, for its colour."""
    svg: Markup


def draw_multiples(report: QualityReport) -> list[Multiple]:
    """Names with alarms first, then the most frequent; at most sixty."""
    counts = report.arrivals.counts
    alarms = _alarms_by_name(report)
    busiest = np.argsort(-counts[:, -report.span.judged :].sum(axis=1), kind="stable").tolist()
    order = sorted(busiest, key=lambda row: report.arrivals.names[row] not in alarms)
    return [_multiple(report, row, alarms) for row in order[:_MOST]]


def _alarms_by_name(report: QualityReport) -> dict[str, list[VolumeAlarm]]:
    found: dict[str, list[VolumeAlarm]] = {}
    for alarm in (*report.volumes.lost, *report.volumes.alarms):
        found.setdefault(alarm.name, []).append(alarm)
    return found


def _multiple(report: QualityReport, row: int, alarms: dict[str, list[VolumeAlarm]]) -> Multiple:
    name = report.arrivals.names[row]
    names = report.volumes.forecasts.names
    judged = names.index(name) if name in names else None
    of_name = alarms.get(name, [])
    status, words = _words(of_name, judged is not None)
    counts = report.arrivals.counts[row, -(report.span.judged + _DAYS_BEFORE) :]
    band = None
    if judged is not None:
        band = report.volumes.band.lower[judged], report.volumes.band.upper[judged]
    days = sorted({day for alarm in of_name for day in alarm.days})
    return Multiple(name, words, status, _draw(name, counts, band, days, report.span))


def _words(alarms: Sequence[VolumeAlarm], is_judged: bool) -> tuple[str, str]:
    if not is_judged:
        return "undecided", "too new to judge"
    if not alarms:
        return "ok", "as expected"
    falls = [alarm for alarm in alarms if alarm.kind == "fell"]
    worst = min(falls or alarms, key=lambda alarm: alarm.ratio)
    return ("act" if falls else "watch"), f"{worst.kind} to {worst.ratio:.0%} of expected"


def _draw(
    name: str,
    counts: NDArray[np.float64],
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    alarms: Sequence[int],
    span: Span,
) -> Markup:
    days = len(counts)
    highest = max(1.0, float(counts.max()), 0.0 if band is None else float(band[1].max()))
    x = Scale(0, days - 1, _LEFT, _RIGHT)
    y = Scale(0, highest, _BOTTOM, _TOP)
    drawing = Drawing(_WIDTH, _HEIGHT, f"Daily volume of {name}, {len(alarms)} days with an alarm")
    _axes(drawing, x, y, days, span)
    first = days - span.judged
    if band is not None:
        upper = [(x(first + day), y(value)) for day, value in enumerate(band[1])]
        lower = [(x(first + day), y(value)) for day, value in enumerate(band[0])]
        drawing.line([*upper, *reversed(lower)], "band")
    drawing.line([(x(day), y(value)) for day, value in enumerate(counts)], "volume")
    for day in alarms:
        drawing.dot(x(first + day), y(counts[first + day]), "alarm", 3.2)
    return drawing.to_svg()


def _axes(drawing: Drawing, x: Scale, y: Scale, days: int, span: Span) -> None:
    drawing.line([(x.start, y.start), (x.stop, y.start)], "grid")
    drawing.line([(x.start, y.stop), (x.stop, y.stop)], "grid")
    drawing.text(x.start - 5, y.stop + 4, _short(y.high), anchor="end")
    drawing.text(x.start - 5, y.start + 4, "0", anchor="end")
    first = days - span.judged
    drawing.line([(x(first), y.start), (x(first), y.stop)], "chance")
    for day, anchor in ((0, "start"), (first, "middle"), (days - 1, "end")):
        label = span.spell(span.days - days + day)[5:]
        drawing.text(x(day), y.start + 16, label, anchor=anchor)


def _short(count: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"
