"""An analysis as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tidemill import __version__
from tidemill.objective.percent import format_percent
from tidemill.report.templates import template_environment
from tidemill.report.wording import NOTHING, with_code
from tidemill_features.sql import DAY_US
from tidemill_monitoring.experiments.analysis import Analysis
from tidemill_monitoring.experiments.drawing import Row, draw_days, draw_rows
from tidemill_monitoring.experiments.exposed import us_of
from tidemill_monitoring.experiments.findings import Finding
from tidemill_monitoring.experiments.sentences import (
    bounds_of,
    headline,
    is_better,
    lift_of,
    of_finding,
    of_opinion,
    of_ratio,
    remaining_of,
    spell_lift,
    value_of,
)

_TEMPLATE = "experiment.html.j2"
_SERVES = {
    "champion": "the live model",
    "challenger": "the challenger",
    "rule": "the simple rule",
    "nothing": "nothing",
}


@dataclass(frozen=True)
class Card:
    """A number above all others."""

    title: str
    value: str
    beside: str


def render_page(analysis: Analysis, made_at: datetime) -> str:
    """The whole page. Names come from other people's events, so everything is escaped."""
    environment = template_environment(Path(__file__).parent, code=with_code)
    run, primary = analysis.experiment, analysis.primary
    return environment.get_template(_TEMPLATE).render(
        analysis=analysis,
        run=run,
        title=f"{' and '.join(arm.name for arm in run.arms[1:])} against {run.arms[0].name}",
        status_word=", ".join(dict.fromkeys(each.answer.value for each in analysis.verdicts)),
        sentence=headline(analysis),
        arms_in_words=", ".join(f"{arm.name} {format_percent(arm.share)}" for arm in run.arms),
        cards=_cards(analysis),
        ratio_sentence=of_ratio(analysis),
        arms=_arms(analysis),
        days=[_days(analysis, each) for each in primary if each.has_look],
        forest=_forest(analysis),
        lines=[of_finding(analysis, each) for each in _every(analysis)],
        several=_several(analysis),
        saved=_saved(analysis),
        opinions="; ".join(f"{analysis.arm(each)}: {of_opinion(each)}" for each in primary),
        segments=_segments(analysis),
        made_at=made_at.astimezone(UTC),
        tidemill=__version__,
    )


def _every(analysis: Analysis) -> Sequence[Finding]:
    return [*analysis.primary, *analysis.others, *analysis.guardrails]


def _cards(analysis: Analysis) -> list[Card]:
    users = f"{sum(analysis.units):,}"
    plan = analysis.primary[0].reading.plan
    share = sum(analysis.closed) / analysis.size.units
    cards = [_effect_card(analysis, each) for each in analysis.primary[:2]]
    cards.append(Card("users", users, f"{sum(analysis.closed):,} observed to the end"))
    if plan.ends:
        beside = f"of {analysis.size.units:,.0f} users, {analysis.size.days} days"
        cards.append(Card("planned size reached", f"{min(share, 1):.0%}", beside))
    else:
        cards.append(Card("planned end", "none", analysis.size.reason or "it stays until stopped"))
    return cards


def _effect_card(analysis: Analysis, finding: Finding) -> Card:
    title = f"{finding.metric.name}, {analysis.arm(finding)}"
    if not finding.has_look:
        return Card(title, NOTHING, "too early")
    lift = spell_lift(float(finding.reading.effect.lift[-1]))
    values = f"{value_of(finding, 1)} against {value_of(finding, 0)}"
    return Card(title, lift, f"{bounds_of(finding)}; {values}")


def _arms(analysis: Analysis) -> list[dict[str, str]]:
    expected = [NOTHING] * len(analysis.units)
    if analysis.ratio is not None:
        expected = [f"{count:,.0f}" for count in analysis.ratio.expected]
    return [
        {
            "name": arm.name,
            "serves": _SERVES[arm.serve] + (f", version {arm.version}" if arm.version else ""),
            "share": format_percent(arm.share),
            "users": f"{analysis.units[place]:,}",
            "expected": expected[place],
            "answers": f"{analysis.exposed.answers[place]:,}",
            "observed": f"{analysis.closed[place]:,}",
        }
        for place, arm in enumerate(analysis.experiment.arms)
    ]


def _days(analysis: Analysis, finding: Finding) -> dict[str, Any]:
    name, arm = finding.metric.name, analysis.arm(finding)
    first = us_of(analysis.experiment.started_at) // DAY_US
    smallest = float(analysis.declared.smallest_effect)
    label = f"the lift of {name} in {arm} day by day: now {lift_of(finding)}"
    is_lower_better = finding.metric.is_lower_better
    return {
        "title": f"`{name}` in `{arm}`, day by day",
        "svg": draw_days(finding.reading, first, smallest, label, is_lower_better),
        "decided": finding.reading.decided_on is not None,
        "remaining": remaining_of(analysis, finding.treatment),
    }


def _forest(analysis: Analysis) -> Markup | None:
    rows = [_row(analysis, each) for each in _every(analysis) if each.has_look]
    return draw_rows(rows, "every metric: lift and bounds") if rows else None


def _row(analysis: Analysis, finding: Finding) -> Row:
    reading, several = finding.reading, len(analysis.experiment.arms) > 2
    name = f"{finding.metric.name}, {analysis.arm(finding)}" if several else finding.metric.name
    is_told_apart = finding.p_value <= analysis.declared.alpha
    sign = 1 if finding.metric.is_lower_better else -1
    return Row(
        name,
        float(reading.effect.lift[-1]),
        float(reading.lift.lower[-1]),
        float(reading.lift.upper[-1]),
        lift_of(finding),
        ("gain" if is_better(finding) else "loss") if is_told_apart else "unsure",
        sign * finding.margin if finding.guard is not None else None,
    )


def _segments(analysis: Analysis) -> Markup | None:
    rows = [
        Row(
            each.name[:28],
            each.lift,
            each.lower,
            each.upper,
            f"{spell_lift(each.lift)}, {each.units:,} users",
            "unsure",
        )
        for each in analysis.segments
    ]
    return draw_rows(rows, "segments: lift and bounds of a single look") if rows else None


def _several(analysis: Analysis) -> str:
    how = {
        "holm": "Holm: hardly ever one finding too many",
        "benjamini-hochberg": "Benjamini and Hochberg: few of the findings are false",
    }[analysis.declared.several]
    return (
        f"The first metric decides, at an error of {analysis.declared.alpha:.3g} over all arms and "
        f"looks. All others together are judged at the same ({how}); guardrails can only forbid."
    )


def _saved(analysis: Analysis) -> str:
    saved = 1 - analysis.primary[0].variance_left
    if saved < 0.005:
        return ""
    return (
        f"What users did before explains {saved:.0%} of the variance of the first metric, "
        "and was taken out (CUPED)."
    )
