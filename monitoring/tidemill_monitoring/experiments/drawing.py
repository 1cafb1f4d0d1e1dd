"""Lifts with their bounds, as SVG: over the days, and of several metrics below each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from markupsafe import Markup

from tidemill.report.svg import Drawing, Scale
from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.readings import Reading

_WIDTH, _HEIGHT = 860.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 846.0, 14.0, 262.0
_ROW, _NAMES, _WORDS = 34.0, 210.0, 640.0
_DATES = 6
_STEPS = (1, 2, 2.5, 5, 10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def draw_days(
    reading: Reading, first_day: int, smallest: float, label: str, is_lower_better: bool
) -> Markup:
    """The relative lift at the end of each day since `first_day` (since 1970), its bounds by all
    looks up to then, and the smallest effect that matters."""
    days, lift = reading.days + first_day, reading.effect.lift
    low, high = _range(reading, smallest)
    ticks = _ticks(low, high)
    last = max(int(days[-1]), int(days[0]) + 1)
    x = Scale(int(days[0]), last, _LEFT, _RIGHT)
    y = Scale(ticks[0], ticks[-1], _BOTTOM, _TOP)
    drawing = Drawing(_WIDTH, _HEIGHT, label)
    for value in ticks:
        drawing.line([(x.start, y(value)), (x.stop, y(value))], "zero" if value == 0 else "grid")
        drawing.text(x.start - 8, y(value) + 4, f"{value:+.3g}%" if value else "0", anchor="end")
    _dates(drawing, x)
    bounds = (np.clip(100 * each, y.low, y.high) for each in _bounds(reading))
    lower, upper = ([(x(day), y(v)) for day, v in zip(days, each, strict=True)] for each in bounds)
    drawing.area([*upper, *reversed(lower)], "band")
    drawing.line(upper, "bound")
    drawing.line(lower, "bound")
    matters = -100 * smallest if is_lower_better else 100 * smallest
    drawing.line([(x.start, y(matters)), (x.stop, y(matters))], "matters")
    shown = np.clip(100 * np.nan_to_num(lift), y.low, y.high)
    drawing.line([(x(day), y(value)) for day, value in zip(days, shown, strict=True)], "lift")
    _decided(drawing, reading, first_day, x)
    return drawing.to_svg()


@dataclass(frozen=True)
class Row:
    """One line of a forest plot."""

    name: str
    lift: float
    lower: float
    upper: float
    words: str
    css: str
    """`gain`, `loss` or `unsure`."""
    margin: float | None = None
    """Of a guardrail, the signed lift that would be accepted at most."""


def draw_rows(rows: Sequence[Row], label: str) -> Markup:
    """A dot and its bounds for each; those beyond the scale are cut at its ends."""
    finite = [v for row in rows for v in (row.lower, row.upper, row.lift) if math.isfinite(v)]
    finite += [row.margin for row in rows if row.margin is not None]
    ticks = _ticks(100 * min([-0.01, *finite]), 100 * max([0.01, *finite]))
    height = _ROW * len(rows) + 34
    x = Scale(ticks[0], ticks[-1], _NAMES, _WORDS)
    drawing = Drawing(_WIDTH, height, label)
    for value in ticks:
        css = "zero" if value == 0 else "grid"
        drawing.line([(x(value), 4), (x(value), height - 28)], css)
        drawing.text(x(value), height - 10, f"{value:+.3g}%" if value else "0")
    for number, row in enumerate(rows):
        _draw_row(drawing, row, x, 4 + _ROW * (number + 0.5))
    return drawing.to_svg()


def _draw_row(drawing: Drawing, row: Row, x: Scale, y: float) -> None:
    drawing.text(0, y + 4, row.name, css="name", anchor="start")
    lower, upper, lift = (
        x(float(np.clip(100 * np.nan_to_num(value, nan=0.0), x.low, x.high)))
        for value in (row.lower, row.upper, row.lift)
    )
    if row.margin is not None:
        at = x(100 * row.margin)
        drawing.line([(at, y - 11), (at, y + 11)], "margin")
    drawing.line([(lower, y), (upper, y)], f"span {row.css}")
    drawing.dot(lift, y, f"point {row.css}", 5.0)
    drawing.text(_WORDS + 16, y + 4, row.words, css="name", anchor="start")


def _bounds(reading: Reading) -> tuple[Array, Array]:
    return reading.lift.lower, reading.lift.upper


def _range(reading: Reading, smallest: float) -> tuple[float, float]:
    """In percent: what the later three quarters of the looks show, within reason."""
    later = slice(len(reading.days) // 4, None)
    lower, upper = (each[later] for each in _bounds(reading))
    ends = [-smallest, smallest, *lower[np.isfinite(lower)], *upper[np.isfinite(upper)]]
    ends += [value for value in reading.effect.lift[later] if math.isfinite(value)]
    return 100 * float(min(ends)), 100 * float(max(ends))


def _dates(drawing: Drawing, x: Scale) -> None:
    first, last = int(x.low), int(x.high)
    for day in sorted({first + round((last - first) * n / (_DATES - 1)) for n in range(_DATES)}):
        anchor = "start" if day == first else "end" if day == last else "middle"
        drawing.text(x(day), _BOTTOM + 20, f"{_EPOCH + timedelta(days=day):%b %d}", anchor=anchor)


def _decided(drawing: Drawing, reading: Reading, first_day: int, x: Scale) -> None:
    if reading.decided_on is not None:
        at = x(reading.decided_on + first_day)
        drawing.line([(at, _TOP), (at, _BOTTOM)], "decided")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that reach over both ends, zero among them."""
    span = max(high, 0.0) - min(low, 0.0) or 1.0
    size = 10.0 ** math.floor(math.log10(span / 5))
    step = next(size * each for each in _STEPS if size * each * 5 >= span)
    first, last = math.floor(min(low, 0) / step + 1e-9), math.ceil(max(high, 0) / step - 1e-9)
    return [round(step * number, 10) for number in range(first, last + 1)]
