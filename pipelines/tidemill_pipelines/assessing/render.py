"""The assessment for a terminal: what needs somebody first."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from tidemill_pipelines.assessing.assessment import Assessment, Verdict
from tidemill_pipelines.assessing.findings import Finding, Level

STYLES: dict[Level, str] = {
    "ok": "green",
    "warning": "yellow",
    "blocking": "red",
    "cannot say": "dim",
}
_VERDICTS: dict[Verdict, str] = {
    "ready": "green",
    "ready with warnings": "yellow",
    "not ready": "red",
}


def render(assessment: Assessment) -> RenderableType:
    """One row per finding; why it matters and what to do where something is to be done."""
    table = Table("check", "level", "what was seen, why it matters, what to do", show_lines=True)
    for finding in assessment.urgent_first:
        style = STYLES[finding.level]
        table.add_row(finding.check, f"[{style}]{finding.level}[/]", _words(finding))
    style = _VERDICTS[assessment.verdict]
    head = (
        f"[bold]{assessment.objective}[/], {escape(assessment.about)}, as of "
        f"{assessment.at:%Y-%m-%d %H:%M} UTC: [bold {style}]{assessment.verdict}[/]"
    )
    return Group(head, table)


def _words(finding: Finding) -> str:
    if not finding.do:
        return escape(finding.seen)
    seen, why, do = escape(finding.seen), escape(finding.why), escape(finding.do)
    return f"{seen}\n[dim]why:[/] {why}\n[dim]do:[/]  {do}"
