"""The few shapes the plots need, as SVG text. Colours are classes, so that the page's style, dark
mode and print decide them; every text and attribute is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Data to pixels. `root` stretches the low end of shares, where a rare outcome lives."""

    low: float
    high: float
    start: float
    stop: float
    root: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (self._bend(each) for each in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def _bend(self, value: float) -> float:
        return math.sqrt(max(value, 0.0)) if self.root else value


@dataclass
class Drawing:
    """Collects shapes in pixels of its own box; the page stretches the box to the column."""

    width: float
    height: float
    label: str
    """What the plot says, for people who cannot see it."""
    _shapes: list[str] = field(default_factory=list)

    def line(self, points: Iterable[Point], css: str) -> None:
        """A polyline."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._shapes.append(f'<polyline class="{escape(css)}" points="{path}"/>')

    def area(self, points: Iterable[Point], css: str) -> None:
        """A polygon."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._shapes.append(f'<polygon class="{escape(css)}" points="{path}"/>')

    def bar(
        self, left: float, top: float, width: float, height: float, css: str, title: str = ""
    ) -> None:
        """A rectangle; a negative height counts as none. `title` is shown when it is pointed at."""
        shape = (
            f'class="{escape(css)}" x="{left:.1f}" y="{top:.1f}" '
            f'width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" rx="1.5"'
        )
        inner = f"><title>{escape(title)}</title></rect>" if title else "/>"
        self._shapes.append(f"<rect {shape}{inner}")

    def dot(self, x: float, y: float, css: str, radius: float = 3.4, title: str = "") -> None:
        """A circle; `title` is shown when it is pointed at."""
        shape = f'class="{escape(css)}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
        inner = f"><title>{escape(title)}</title></circle>" if title else "/>"
        self._shapes.append(f"<circle {shape}{inner}")

    def text(
        self, x: float, y: float, words: str, css: str = "tick", anchor: str = "middle"
    ) -> None:
        """One line of text; `anchor` is start, middle or end."""
        self._shapes.append(
            f'<text class="{escape(css)}" x="{x:.1f}" y="{y:.1f}" '
            f'text-anchor="{escape(anchor)}">{escape(words)}</text>'
        )

    def to_svg(self) -> Markup:
        """The whole drawing."""
        return Markup(  # noqa: S704  # every text was escaped on its way in
            f'<svg viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="img" '
            f'aria-label="{escape(self.label)}">{"".join(self._shapes)}</svg>'
        )


def axes(
    drawing: Drawing,
    x: Scale,
    y: Scale,
    ticks: tuple[Sequence[float], Sequence[float]],
    titles: tuple[str, str],
    spell: Callable[[float], str],
) -> None:
    """Light grid, tick labels, the x title below and the y title above the plot."""
    for value in ticks[0]:
        drawing.line([(x(value), y.start), (x(value), y.stop)], "grid")
        drawing.text(x(value), y.start + 16, spell(value))
    for value in ticks[1]:
        drawing.line([(x.start, y(value)), (x.stop, y(value))], "grid")
        drawing.text(x.start - 7, y(value) + 4, spell(value), anchor="end")
    drawing.text(x.stop, y.start + 34, titles[0], "axis", "end")
    drawing.text(0, y.stop - 12, titles[1], "axis", "start")
