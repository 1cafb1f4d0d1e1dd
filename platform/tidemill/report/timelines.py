"""Measurements over time as SVG: one strip of verdicts and one panel per metric, all on one time
axis. What a colour says, a height, a word or a place says too."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from markupsafe import Markup

from tidemill.report.history import MonitorRun
from tidemill.report.past import Happening, Point, concerns, status_of
from tidemill.report.svg import Drawing, Scale

_WIDTH = 920.0
_LEFT, _RIGHT = 172.0, 868.0
_PANEL, _TOP, _BOTTOM = 128.0, 20.0, 116.0
_ROW = 22.0
_HEIGHTS = {"ok": 4.0, "watch": 9.0, "act": 15.0, "undecided": 2.0}
_MOST_TICKS = 7
_STEPS = (1, 2, 3, 6, 12, 24, 48, 7 * 24, 14 * 24, 28 * 24, 91 * 24, 182 * 24, 364 * 24)
"""Hours between time ticks."""
_CROWDED = 24
"""Points from which on an interval is a band instead of whiskers, and dots are small."""
_LABEL_GAP = 26.0
_ALONE = 40.0
"""Pixels that a single run is given."""

Spell = Callable[[float], str]


@dataclass(frozen=True)
class Line:
    """One series of a panel."""

    points: Sequence[Point]
    css: str
    """`model` (solid), `rule` (dashed) or `chance` (dotted)."""
    has_dots: bool = False


@dataclass(frozen=True)
class Timeline:
    """The time axis that all drawings of a page share."""

    scale: Scale
    ticks: tuple[tuple[float, str], ...]
    """Place and words."""
    spacing: float
    """Pixels between neighbouring runs, usually."""
    promotions: tuple[tuple[float, str], ...]
    """Place, and what to write there; nothing where it would cover its neighbour."""

    def x(self, at: datetime) -> float:
        return self.scale(at.timestamp())


def timeline(runs: Sequence[MonitorRun], happened: Sequence[Happening]) -> Timeline:
    """Of at least one run, oldest first."""
    first, last = runs[0].at, runs[-1].at
    margin = max((last - first) * 0.015, timedelta(hours=1)) if last > first else timedelta(days=1)
    low, high = first - margin, last + margin
    scale = Scale(low.timestamp(), high.timestamp(), _LEFT, _RIGHT)
    places = [scale(run.at.timestamp()) for run in runs]
    gaps = [b - a for a, b in pairwise(places)]
    spacing = median(gaps) if gaps else _ALONE
    return Timeline(scale, _ticks(first, last, scale), spacing, _promotions(happened, scale))


def verdict_strip(runs: Sequence[MonitorRun], time: Timeline) -> Markup:
    """One row per concern and one bar per run; the taller, the more urgent."""
    rows = concerns(runs)
    bottom = _TOP + _ROW * len(rows)
    drawing = Drawing(_WIDTH, bottom + 24, f"Verdicts of {len(runs)} runs, by concern")
    _time_axis(drawing, time, bottom)
    wide = min(max(time.spacing - 1.5, 1.5), 14.0)
    for index, concern in enumerate(rows):
        base = _TOP + _ROW * (index + 1) - 3
        drawing.text(0, base - 3, concern, "axis", "start")
        drawing.line([(_LEFT, base), (_RIGHT, base)], "grid")
        for run in runs:
            status = status_of(run, concern)
            if status is not None:
                tall = _HEIGHTS[status]
                title = f"{run.at:%Y-%m-%d %H:%M} {concern}: {status}"
                left = time.x(run.at) - wide / 2
                drawing.bar(left, base - tall, wide, tall, f"fill-{status}", title)
    return drawing.to_svg()


def panel(
    title: str,
    lines: Sequence[Line],
    time: Timeline,
    spell: Spell,
    references: Sequence[float] = (),
) -> Markup | None:
    """One metric over time; None when no run has measured it.

    `references` are values to compare with, drawn across. Beside the title stands the newest value
    of the first line.
    """
    main = [point for point in lines[0].points if _known(point.value)]
    if not main:
        return None
    newest = main[-1]
    assert newest.value is not None  # noqa: S101  # chosen by _known
    low, high = _range(lines, references)
    y = Scale(low, high, _BOTTOM, _TOP)
    drawing = Drawing(_WIDTH, _PANEL + 14, f"{title} over time, last {spell(newest.value)}")
    drawing.text(0, _TOP + 14, title, "axis", "start")
    drawing.text(0, _TOP + 42, spell(newest.value), "newest", "start")
    drawing.text(0, _TOP + 60, f"{newest.at:%Y-%m-%d}", "tick", "start")
    for value in _value_ticks(low, high):
        drawing.line([(_LEFT, y(value)), (_RIGHT, y(value))], "grid")
        drawing.text(_RIGHT + 8, y(value) + 4, spell(value), anchor="start")
    _time_axis(drawing, time, _BOTTOM)
    for value in references:
        drawing.line([(_LEFT, y(value)), (_RIGHT, y(value))], "chance")
    for line in lines:
        _draw(drawing, line, time, y, spell)
    return drawing.to_svg()


def _draw(drawing: Drawing, line: Line, time: Timeline, y: Scale, spell: Spell) -> None:
    crowded = len(line.points) >= _CROWDED
    for stretch in _stretches(line.points):
        if crowded:
            _band(drawing, stretch, time, y)
        places = [(time.x(point.at), y(_sure(point.value))) for point in stretch]
        if len(places) == 1 and not line.has_dots:
            places = [(places[0][0] - 12, places[0][1]), (places[0][0] + 12, places[0][1])]
        drawing.line(places, line.css)
    if not line.has_dots:
        return
    for point in (point for point in line.points if _known(point.value)):
        x = time.x(point.at)
        if not crowded and _known(point.lower) and _known(point.upper):
            drawing.line([(x, y(_sure(point.lower))), (x, y(_sure(point.upper)))], "whisker")
        alarmed = point.status in ("watch", "act")
        css = f"fill-{point.status}" if alarmed else "happened"
        radius = min(max(time.spacing * 0.22, 1.1), 3.6) * (1.4 if alarmed else 1)
        title = f"{point.at:%Y-%m-%d %H:%M}: {spell(_sure(point.value))}, {point.status}"
        drawing.dot(x, y(_sure(point.value)), css, radius, title=title)


def _band(drawing: Drawing, stretch: Sequence[Point], time: Timeline, y: Scale) -> None:
    sure = [point for point in stretch if _known(point.lower) and _known(point.upper)]
    if len(sure) > 1:
        above = [(time.x(point.at), y(_sure(point.upper))) for point in sure]
        below = [(time.x(point.at), y(_sure(point.lower))) for point in reversed(sure)]
        drawing.area([*above, *below], "band")


def _time_axis(drawing: Drawing, time: Timeline, bottom: float) -> None:
    for place, words in time.ticks:
        drawing.line([(place, bottom), (place, bottom + 4)], "base")
        drawing.text(place, bottom + 18, words)
    for place, words in time.promotions:
        drawing.line([(place, _TOP - 6), (place, bottom)], "promotion")
        if words:
            drawing.text(place, _TOP - 9, words, "version")


def _ticks(first: datetime, last: datetime, scale: Scale) -> tuple[tuple[float, str], ...]:
    if first == last:
        return ((scale(first.timestamp()), f"{first:%Y-%m-%d %H:%M}"),)
    hours = (last - first) / timedelta(hours=1)
    step = next((each for each in _STEPS if hours / each <= _MOST_TICKS - 1), _STEPS[-1])
    style = "%Y-%m-%d" if step % 24 == 0 else "%m-%d %H:%M"
    start = datetime.combine(first.date(), datetime.min.time(), UTC)
    count = math.ceil((last - start) / timedelta(hours=step)) + 1
    places = (start + timedelta(hours=step * index) for index in range(count))
    inside = (at for at in places if _LEFT <= scale(at.timestamp()) <= _RIGHT)
    return tuple((scale(at.timestamp()), at.strftime(style)) for at in inside)


def _promotions(happened: Sequence[Happening], scale: Scale) -> tuple[tuple[float, str], ...]:
    found = sorted(
        (scale(each.at.timestamp()), f"v{each.title.split()[1]}")
        for each in happened
        if each.kind == "promotion"
    )
    labelled, free_from = [], -math.inf
    for place, words in found:
        labelled.append((place, words if place >= free_from else ""))
        free_from = place + _LABEL_GAP if place >= free_from else free_from
    return tuple(labelled)


def _range(lines: Sequence[Line], references: Sequence[float]) -> tuple[float, float]:
    """Around every value, and the intervals of those with dots, with a little air."""
    values = [point.value for line in lines for point in line.points]
    values += [p.lower for line in lines if line.has_dots for p in line.points]
    values += [p.upper for line in lines if line.has_dots for p in line.points]
    known = [*references, *(_sure(value) for value in values if _known(value))]
    low, high = min(known), max(known)
    air = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    return (0.0 if 0 <= low < air * 4 else low - air), high + air


def _value_ticks(low: float, high: float) -> list[float]:
    """Two to five round values."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def _stretches(points: Sequence[Point]) -> list[list[Point]]:
    """Runs of measured points: a line does not bridge what was not measured."""
    found: list[list[Point]] = [[]]
    for point in points:
        if _known(point.value):
            found[-1].append(point)
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _sure(value: float | None) -> float:
    assert value is not None  # noqa: S101  # asked of `_known` before
    return value
