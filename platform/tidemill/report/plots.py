"""The plots: numbers in, SVG out. Promises are drawn light, what happened is drawn solid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tidemill.report.svg import Drawing, Scale, axes
from tidemill.report.wording import lift, number

_WIDTH, _HEIGHT = 420.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 408.0, 26.0, 258.0
_MAP_WIDTH, _MAP_HEIGHT = 860.0, 460.0
_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_ENDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
_ROOT_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_RARE = 0.1
"""Base rate below which equal steps would press most bins into one corner."""

Series = Sequence[Sequence[float]]
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Plot:
    """A drawing and what its marks mean: pairs of mark class and words."""

    svg: Markup
    legend: tuple[tuple[str, str], ...]


def roc(model: Series, baseline: Series, auc: float, baseline_auc: float) -> Plot:
    """True against false positive rate, beside the recency rule."""
    x, y, drawing = _unit_square(f"ROC curve; area {auc:.3f}, recency alone {baseline_auc:.3f}")
    axes(drawing, x, y, (_FIFTHS, _FIFTHS), ("false positive rate", "true positive rate"), _tenth)
    drawing.line([(x(0), y(0)), (x(1), y(1))], "chance")
    for series, css in ((baseline, "rule"), (model, "model")):
        drawing.line([(x(a), y(b)) for a, b in zip(*series, strict=True)], css)
    legend = (
        ("model", f"model, AUC {auc:.3f}"),
        ("rule", f"recency alone, {baseline_auc:.3f}"),
        ("chance", "chance, 0.500"),
    )
    return Plot(drawing.to_svg(), legend)


def precision_recall(model: Series, average_precision: float, base_rate: float) -> Plot:
    """Precision against recall; picking users at random gives the base rate."""
    label = f"Precision-recall curve; average precision {number(average_precision)}"
    x, y, drawing = _unit_square(f"{label}, base rate {number(base_rate)}")
    axes(drawing, x, y, (_FIFTHS, _FIFTHS), ("recall", "precision"), _tenth)
    drawing.line([(x(0), y(base_rate)), (x(1), y(base_rate))], "chance")
    drawing.line([(x(a), y(b)) for a, b in zip(*model, strict=True)], "model")
    legend = (
        ("model", f"model, average precision {number(average_precision)}"),
        ("chance", f"picking at random, {number(base_rate)}"),
    )
    return Plot(drawing.to_svg(), legend)


def calibration(tested: Rows, happened: Rows) -> Plot:
    """Predicted against observed rate per bin; `happened` rows carry a 95% interval."""
    rates = [row[key] for row in (*tested, *happened) for key in ("predicted", "observed")]
    rare = _observed_rate(tested) < _RARE
    ticks = _root_ticks(max(rates)) if rare else _even_ticks(max(rates))
    top = ticks[-1]
    x = Scale(0, top, _LEFT, _RIGHT, root=rare)
    y = Scale(0, top, _BOTTOM, _TOP, root=rare)
    drawing = Drawing(_WIDTH, _HEIGHT, "Calibration: predicted against observed rate")
    axes(drawing, x, y, (ticks, ticks), ("predicted rate", "observed rate"), _percent_tick)
    drawing.line([(x(0), y(0)), (x(top), y(top))], "chance")
    for row in happened:
        bounds = [min(row[end], top) for end in ("lower", "upper")]
        drawing.line([(x(row["predicted"]), y(bound)) for bound in bounds], "whisker")
    for rows, css in ((tested, "promised"), (happened, "happened")):
        for row in rows:
            drawing.dot(x(row["predicted"]), y(row["observed"]), css)
    return Plot(drawing.to_svg(), (*_legend(happened), ("chance", "perfectly calibrated")))


def grade_lifts(tested: Rows, happened: Rows, shares: Sequence[float]) -> Plot:
    """Lift per grade; `happened` rows carry a 95% interval."""
    after = {row["grade"]: row for row in happened}
    heights = [row["lift"] for row in tested]
    heights += [row[key] for row in happened for key in ("lift", "upper")]
    top = max((h for h in heights if _known(h)), default=1.0) * 1.12
    y = Scale(0, top, _BOTTOM, _TOP)
    drawing = Drawing(_WIDTH, _HEIGHT, _lift_label(tested, happened))
    drawing.text(0, _TOP - 12, "lift over the average user", "axis", "start")
    slot = (_RIGHT - 8) / max(1, len(tested))
    for index, row in enumerate(tested):
        middle = 8 + slot * (index + 0.5)
        drawing.text(middle, _BOTTOM + 18, row["grade"], "letter")
        drawing.text(middle, _BOTTOM + 34, _share_words(row["grade"], shares))
        second = after.get(row["grade"])
        wide = 40.0 if second else 48.0
        _lift_bar(drawing, y, middle - (wide + 2 if second else wide / 2), wide, row, "promised")
        if second:
            _lift_bar(drawing, y, middle + 2, wide, second, "happened")
    drawing.line([(8, _BOTTOM), (_RIGHT, _BOTTOM)], "base")
    drawing.line([(8, y(1)), (_RIGHT, y(1))], "chance")
    return Plot(drawing.to_svg(), (*_legend(happened), ("chance", "average user")))


def drift_bar(effect: float, watch_at: float, act_at: float, longest: float, css: str) -> Markup:
    """One effect against its two thresholds, on a scale that ends at `longest`."""
    x = Scale(0, longest, 0, 200)
    drawing = Drawing(
        200, 14, f"effect {effect:.2f}, watch from {watch_at:.2f}, act from {act_at:.2f}"
    )
    drawing.bar(0, 3, 200, 8, "track")
    drawing.bar(0, 3, x(effect), 8, css)
    drawing.line([(x(watch_at), 0), (x(watch_at), 14)], "threshold-watch")
    drawing.line([(x(act_at), 0), (x(act_at), 14)], "threshold-act")
    return drawing.to_svg()


def item_map(points: Rows, values: Sequence[str]) -> Plot:
    """Items in two dimensions; `values` of their attribute have colours, the others share one."""
    drawing = Drawing(_MAP_WIDTH, _MAP_HEIGHT, "Items, the nearer the more alike to the model")
    x = _scale_of([point["x"] for point in points], 8, _MAP_WIDTH - 8)
    y = _scale_of([point["y"] for point in points], _MAP_HEIGHT - 8, 8)
    classes = {value: f"kind{index}" for index, value in enumerate(values)}
    for point in points:
        css = classes.get(point["value"] or "", "kind-other")
        drawing.dot(x(point["x"]), y(point["y"]), css, 3.0, title=_item_title(point))
    legend = [(css, value) for value, css in classes.items()]
    if any((point["value"] or "") not in classes for point in points):
        legend.append(("kind-other", "other"))
    return Plot(drawing.to_svg(), tuple(legend))


def share_bar(share: float, label: str) -> Markup:
    """A single bar, 0 to 1."""
    drawing = Drawing(120, 8, label)
    drawing.bar(0, 0, 120, 8, "track")
    drawing.bar(0, 0, 120 * share, 8, "model-fill")
    return drawing.to_svg()


def _item_title(point: Mapping[str, Any]) -> str:
    return f"{point['item']} ({point['value']})" if point["value"] else str(point["item"])


def _scale_of(values: Sequence[float], start: float, stop: float) -> Scale:
    low, high = min(values), max(values)
    return Scale(low, high if high > low else low + 1, start, stop)


def _unit_square(label: str) -> tuple[Scale, Scale, Drawing]:
    return (
        Scale(0, 1, _LEFT, _RIGHT),
        Scale(0, 1, _BOTTOM, _TOP),
        Drawing(_WIDTH, _HEIGHT, label),
    )


def _lift_bar(
    drawing: Drawing, y: Scale, left: float, width: float, row: Mapping[str, Any], css: str
) -> None:
    if not _known(row["lift"]):
        return
    drawing.bar(left, y(row["lift"]), width, _BOTTOM - y(row["lift"]), css)
    highest = row["lift"]
    if _known(row.get("upper")):
        middle, highest = left + width / 2, row["upper"]
        drawing.line([(middle, y(row["lower"])), (middle, y(row["upper"]))], "whisker")
    drawing.text(left + width / 2, y(highest) - 6, lift(row["lift"]), "value")


def _legend(happened: Rows) -> tuple[tuple[str, str], ...]:
    promised = ("promised", "promised: test window")
    if not happened:
        return (promised,)
    return (promised, ("happened", "what happened, with 95% interval"))


def _lift_label(tested: Rows, happened: Rows) -> str:
    words = [f"{row['grade']} {lift(row['lift'])} promised" for row in tested]
    words += [f"{row['grade']} {lift(row['lift'])} happened" for row in happened]
    return "Lift per grade: " + ", ".join(words)


def _share_words(grade: str, shares: Sequence[float]) -> str:
    """`top 10%`, `next 20%`, ..., `last 40%`."""
    position = "ABCD".index(grade)
    if position == len(shares):
        return f"last {1 - sum(shares):.0%}"
    return f"{'next' if position else 'top'} {shares[position]:.0%}"


def _observed_rate(bins: Rows) -> float:
    rows: float = sum(row["rows"] for row in bins)
    hits: float = sum(row["rows"] * row["observed"] for row in bins)
    return hits / max(1.0, rows)


def _root_ticks(highest: float) -> list[float]:
    """For the root scale: a 1-2-5 ladder up to a round end, whose labels do not touch."""
    top = next((end for end in _ENDS if end >= highest), 1.0)
    return [0.0, *(tick for tick in _ROOT_TICKS if top / 25 <= tick < top), top]


def _even_ticks(highest: float) -> list[float]:
    """At most five round steps."""
    step = next((step for step in (0.02, 0.05, 0.1) if highest <= 5 * step), 0.2)
    return [step * index for index in range(math.ceil(highest / step - 1e-9) + 1)]


def _known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _tenth(value: float) -> str:
    return f"{value:.1f}"


def _percent_tick(value: float) -> str:
    return f"{100 * value:g}%"
