"""The assessment for a terminal: what needs somebody first, then what is sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from tidemill_pipelines.assessing.assessment import MEANINGS, Assessment, Verdict
from tidemill_pipelines.assessing.findings import Finding, Level
from tidemill_pipelines.assessing.themes import by_theme, words_in

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
    """Why it matters and what to do stand where something is to be done."""
    return Group(*_parts(assessment))


def _parts(assessment: Assessment) -> Iterator[RenderableType]:
    style = _VERDICTS[assessment.verdict]
    yield (
        f"[bold]{assessment.objective}[/], {escape(assessment.about)}, as of "
        f"{assessment.at:%Y-%m-%d %H:%M} UTC: [bold {style}]{assessment.verdict}[/]"
    )
    yield MEANINGS[assessment.verdict]
    urgent = [finding for finding in assessment.urgent_first if finding.level != "ok"]
    if urgent:
        yield _table(urgent)
    sound = [finding for finding in assessment.findings if finding.level == "ok"]
    for theme, findings in by_theme(sound).items():
        yield f"\n[bold]{theme}[/]"
        yield _list(findings)
    if assessment.left_out:
        yield f"\n[bold]Not asked[/]\n[dim]{escape(assessment.left_out)}[/]"
    words = words_in(assessment.findings)
    if words:
        yield "\n[bold]Words[/]"
        yield _pairs(words)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("check", "level", "what was seen, why it matters, what to do", show_lines=True)
    for finding in findings:
        style = STYLES[finding.level]
        table.add_row(finding.check, f"[{style}]{finding.level}[/]", _words(finding))
    return table


def _list(findings: Sequence[Finding]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for finding in findings:
        grid.add_row("[green]ok[/]", finding.check, escape(finding.seen))
    return Padding(grid, (0, 0, 0, 2))


def _pairs(words: dict[str, str]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for word, meaning in words.items():
        grid.add_row(word, f"[dim]{escape(meaning)}[/]")
    return Padding(grid, (0, 0, 0, 2))


def _words(finding: Finding) -> str:
    seen, why = escape(finding.seen), escape(finding.why)
    if not finding.do:
        return f"{seen}\n[dim]why:[/] {why}"
    return f"{seen}\n[dim]why:[/] {why}\n[dim]do:[/]  {escape(finding.do)}"
