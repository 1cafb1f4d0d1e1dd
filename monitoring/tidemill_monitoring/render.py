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
    """One row per concern, then the decision, if there is a model, and where the details are."""
    version = f" v{run.model_version}" if run.model_version else ""
    title = f"{run.objective}{version}, {run.window_days} days before {run.at[:16]} UTC"
    table = Table("concern", "verdict", "what it means", title=escape(title), show_lines=True)
    for verdict in run.verdicts:
        style = STYLES[verdict.status]
        status = f"[{style}]{verdict.status.value}[/]"
        table.add_row(verdict.concern.value, status, escape(verdict.sentence))
    answer = "[bold]retrain[/]" if run.decision.retrain else "no retraining"
    lines = [f"{answer}: {escape(run.decision.reason)}"] if run.model_version else []
    return Group(table, *lines, f"[dim]details: {escape(str(folder))}[/]")
