"""The report for a terminal: what needs somebody first, one line each."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from tidemill_monitoring.event_log.report import QualityReport
from tidemill_monitoring.render import STYLES


def render_report(report: QualityReport) -> RenderableType:
    """One row per concern, and the days that were judged."""
    span = report.span
    first, last = span.spell(span.history), span.spell(span.days - 1)
    title = f"event log, {first} to {last} (UTC), as known at {span.at:%Y-%m-%d %H:%M}"
    table = Table("concern", "verdict", "what it means and what to do", title=title)
    for verdict in report.urgent_first:
        style = STYLES[verdict.status]
        status = f"[{style}]{verdict.status.value}[/]"
        table.add_row(verdict.concern.value, status, escape(verdict.sentence))
    return Group(table)
