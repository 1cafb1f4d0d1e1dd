"""An analysis for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from tidemill_monitoring.experiments.analysis import Analysis
from tidemill_monitoring.experiments.findings import Finding
from tidemill_monitoring.experiments.sentences import (
    bounds_of,
    headline,
    is_better,
    of_opinion,
    of_ratio,
    spell_lift,
    value_of,
)

_STYLES = {"safe": "green", "harmed": "bold red", "undecided": "dim"}


def render_analysis(analysis: Analysis) -> RenderableType:
    """The advice, the arms, the metrics, then what else was met."""
    run = analysis.experiment
    title = f"{run.name}, {run.started_at:%Y-%m-%d} to {analysis.until:%Y-%m-%d %H:%M} UTC"
    metrics = Table("metric", "arm", "control", "treated", "lift", "always valid", "", title=title)
    for role, findings in _roles(analysis):
        for finding in findings:
            metrics.add_row(*_row(analysis, finding, role))
    opinions = [
        f"second opinion on [bold]{escape(analysis.arm(each))}[/]: {of_opinion(each)}"
        for each in analysis.primary
    ]
    met = [
        f"{escape(each.name)}: {each.count:,} [dim]({escape(each.means)})[/]"
        for each in analysis.counted
        if each.count
    ]
    shown: list[RenderableType] = [f"[bold]{escape(headline(analysis))}[/]", metrics]
    if analysis.ratio is None or not analysis.ratio.is_mismatch:
        shown.insert(1, escape(of_ratio(analysis)))
    return Group(*shown, *opinions, *_segments(analysis), *met)


def _roles(analysis: Analysis) -> Sequence[tuple[str, Sequence[Finding]]]:
    return (
        ("decides", analysis.primary),
        ("", analysis.others),
        ("guardrail", analysis.guardrails),
    )


def _row(analysis: Analysis, finding: Finding, role: str) -> tuple[str, ...]:
    name = escape(finding.metric.name) + (f" [dim]{role}[/]" if role else "")
    arm = escape(analysis.arm(finding))
    if not finding.has_look:
        return name, arm, "", "", "", "", "[dim]too early[/]"
    values = escape(value_of(finding, 0)), escape(value_of(finding, 1))
    lift = spell_lift(float(finding.reading.effect.lift[-1]))
    return name, arm, *values, lift, bounds_of(finding), _said(analysis, finding)


def _said(analysis: Analysis, finding: Finding) -> str:
    if finding.guard is not None:
        return f"[{_STYLES[finding.guard.value]}]{finding.guard.value}[/]"
    if finding.p_value > analysis.declared.alpha:
        return "[dim]may be chance[/]"
    return "[green]better[/]" if is_better(finding) else "[bold red]worse[/]"


def _segments(analysis: Analysis) -> list[RenderableType]:
    if not analysis.segments:
        return []
    arm = escape(analysis.arm(analysis.primary[0]))
    title = f"exploratory, of {arm}: ideas for another experiment, no results"
    table = Table("segment", "users", "lift", "single look", title=title)
    for each in analysis.segments:
        bounds = f"{spell_lift(each.lower)} to {spell_lift(each.upper)}"
        table.add_row(escape(each.name), f"{each.units:,}", spell_lift(each.lift), bounds)
    return [table]
