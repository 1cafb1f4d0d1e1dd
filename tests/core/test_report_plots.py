"""Plots say what the numbers say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tidemill.report import plots
from tidemill.report.svg import Drawing, Scale

TESTED = [
    {"grade": "A", "users": 10, "rate": 0.4, "lift": 4.0},
    {"grade": "B", "users": 20, "rate": 0.1, "lift": 1.0},
]
HAPPENED = [{"grade": "A", "users": 10, "lift": 2.0, "lower": 1.0, "upper": 3.0}]
SHARES = (0.1, 0.2, 0.3)


def shapes(svg: str, css: str) -> list[ET.Element]:
    return [shape for shape in ET.fromstring(svg) if shape.get("class") == css]  # noqa: S314  # drawn by the code under test


def test_a_scale_maps_its_ends_to_its_ends() -> None:
    """In both forms; the root form keeps the diagonal and stretches what is near zero."""
    even, root = Scale(0, 0.4, 10, 110), Scale(0, 0.4, 10, 110, root=True)
    assert (even(0), even(0.4)) == (root(0), root(0.4)) == (10, 110)
    assert even(0.1) == pytest.approx(35)
    assert root(0.1) == pytest.approx(60)


def test_promised_and_happened_lifts_stand_beside_each_other() -> None:
    """Twice the lift is twice the bar, from the same base line."""
    svg = plots.grade_lifts(TESTED, HAPPENED, SHARES).svg
    promised, happened = shapes(svg, "promised")[0], shapes(svg, "happened")[0]
    assert float(promised.get("height", 0)) == pytest.approx(
        2 * float(happened.get("height", 0)), abs=0.2
    )
    assert len(shapes(svg, "whisker")) == 1


def test_a_lift_without_outcomes_is_not_drawn() -> None:
    """A missing number is no bar of height zero."""
    unknown = [{**HAPPENED[0], "lift": None, "lower": None, "upper": None}]
    assert not shapes(plots.grade_lifts(TESTED, unknown, SHARES).svg, "happened")


def test_before_the_first_outcome_the_legend_is_silent_about_it() -> None:
    """What was not measured is not in the legend."""
    marks = [mark for mark, _ in plots.grade_lifts(TESTED, [], SHARES).legend]
    assert "happened" not in marks


@pytest.mark.parametrize(("observed", "end"), [(0.03, "6%"), (0.72, "80%")])
def test_calibration_axes_end_at_a_round_rate_above_the_data(observed: float, end: str) -> None:
    """Rare outcomes are stretched, common ones are not, and no point is cut off."""
    bins = [{"rows": 10, "predicted": 0.0, "observed": 0.0}]
    bins += [{"rows": 10, "predicted": observed, "observed": 0.055 if observed < 0.1 else 0.3}]
    ticks = shapes(plots.calibration(bins, []).svg, "tick")
    expected = "10%" if observed < 0.1 else end
    assert ticks[-1].text == expected


def test_a_drift_bar_shows_where_its_thresholds_lie() -> None:
    """An effect twice its threshold is twice as long."""
    svg = plots.drift_bar(0.2, 0.05, 0.1, longest=0.4, css="fill-act")
    (bar,), (line,) = shapes(svg, "fill-act"), shapes(svg, "threshold-act")
    threshold = float(line.get("points", "").split(",")[0])
    assert float(bar.get("width", 0)) == 2 * threshold


def test_words_in_a_drawing_are_escaped() -> None:
    """A label from somebody's log stays text."""
    drawing = Drawing(10, 10, 'a "quoted" <label>')
    drawing.text(1, 1, "</text><script>")
    (text,) = ET.fromstring(drawing.to_svg())  # noqa: S314  # drawn by the code under test
    assert text.text == "</text><script>"
