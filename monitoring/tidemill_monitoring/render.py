"""Verdicts for a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from tidemill_monitoring.verdicts import MonitorRun, Status

STYLES = {
    Status.OK: "green",
    Status.WATCH: "yellow",
    Status.ACT: "bold red",
    Status.UNDECIDED: "dim",
}


def render_run(run: MonitorRun, folder: Path) -> RenderableType:
    """One row per concern, then the decision and where the details are."""
    title = f"{run.objective} v{run.model_version}, {run.window_days} days before {run.at[:16]} UTC"
    table = Table("concern", "verdict", "what it means", title=escape(title), show_lines=True)
    for verdict in run.verdicts:
        style = STYLES[verdict.status]
        status = f"[{style}]{verdict.status.value}[/]"
        table.add_row(verdict.concern.value, status, escape(verdict.sentence))
    answer = "[bold]retrain[/]" if run.decision.retrain else "no retraining"
    return Group(
        table,
        f"{answer}: {escape(run.decision.reason)}",
        f"[dim]details: {escape(str(folder))}[/]",
    )
