"""The series, the band it usually keeps to, and what was out of it, as SVG."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from markupsafe import Markup

from tidemill.report.svg import Drawing, Scale
from tidemill_monitoring.alerting.judging import Judged
from tidemill_monitoring.alerting.series import Series
from tidemill_monitoring.alerting.watching import Watch

_WIDTH, _HEIGHT = 860.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 850.0, 16.0, 262.0
_DAYS_SHOWN = {1: 84, 24: 14}
"""By periods in a day."""
_DATES = 7
_STEPS = (1, 2, 2.5, 5, 10)


def draw_series(series: Series, found: Watch, label: str) -> Markup:
    """The newest weeks: the metric, the band of the periods that were judged, and incidents."""
    end = len(series.values)
    start = max(end - _DAYS_SHOWN[series.slots] * series.slots, 0)
    judged = {
        period: point.single for period, point in found.points.items() if start <= period < end
    }
    tops = [each.upper * series.unit for each in judged.values()]
    highest = max([1.0, float(series.values[start:].max(initial=0.0)), *tops])
    ticks = _ticks(highest)
    x = Scale(start, max(end - 1, start + 1), _LEFT, _RIGHT)
    y = Scale(0, ticks[-1], _BOTTOM, _TOP)
    drawing = Drawing(_WIDTH, _HEIGHT, label)
    _axes(drawing, series, x, y, ticks)
    _incidents(drawing, found, x, start)
    for run in _runs(sorted(judged)):
        _band(drawing, [judged[period] for period in run], series.unit, x, y)
    values = series.values[start:end]
    drawing.line([(x(start + n), y(value)) for n, value in enumerate(values)], "volume")
    _marks(drawing, series, found, x, y, start)
    return drawing.to_svg()


def _band(drawing: Drawing, judged: list[Judged], unit: float, x: Scale, y: Scale) -> None:
    top = y.high
    upper = [(x(each.period), y(min(each.upper * unit, top))) for each in judged]
    lower = [(x(each.period), y(each.lower * unit)) for each in judged]
    drawing.line([*upper, *reversed(lower)], "band")
    drawing.line([(x(each.period), y(each.expected * unit)) for each in judged], "expected")


def _incidents(drawing: Drawing, found: Watch, x: Scale, start: int) -> None:
    """A stripe from the first to the last period of each."""
    for incident in found.incidents:
        if incident.last >= start:
            left = x(max(incident.first, start) - 0.5)
            width = x(incident.last + 0.5) - left
            drawing.bar(left, _TOP, width, _BOTTOM - _TOP, "stripe")


def _marks(drawing: Drawing, series: Series, found: Watch, x: Scale, y: Scale, start: int) -> None:
    for period, point in found.points.items():
        if period >= start and point.alarm is not None:
            begins = series.begins(period)
            title = f"{begins:%Y-%m-%d %H:%M} UTC: {series.values[period]:,.6g}"
            drawing.dot(x(period), y(float(series.values[period])), "alarm", 4.0, title=title)


def _axes(drawing: Drawing, series: Series, x: Scale, y: Scale, ticks: list[float]) -> None:
    for value in ticks:
        drawing.line([(x.start, y(value)), (x.stop, y(value))], "grid")
        drawing.text(x.start - 7, y(value) + 4, _short(value), anchor="end")
    first, last = int(x.low), int(x.high)
    for number in range(_DATES):
        period = first + round((last - first) * number / (_DATES - 1))
        anchor = {0: "start", _DATES - 1: "end"}.get(number, "middle")
        words = _date(series.begins(period), series.every)
        drawing.text(x(period), y.start + 18, words, anchor=anchor)


def _date(begins: datetime, every: timedelta) -> str:
    return f"{begins:%a %m-%d}" if every >= timedelta(days=1) else f"{begins:%m-%d %H}h"


def _ticks(highest: float) -> list[float]:
    """At most six round numbers from 0 to beyond the highest."""
    size = 10.0 ** math.floor(math.log10(highest / 5))
    step = next(size * each for each in _STEPS if size * each * 5 >= highest)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _runs(periods: list[int]) -> list[list[int]]:
    """Neighbours together."""
    runs: list[list[int]] = []
    for period in periods:
        if runs and runs[-1][-1] == period - 1:
            runs[-1].append(period)
        else:
            runs.append([period])
    return runs
