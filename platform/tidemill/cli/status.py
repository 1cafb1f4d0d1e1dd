"""`tidemill status`: what this home holds and how it is doing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.cli import console, on_cluster
from tidemill.cli.options import Context, Json, Namespace, is_on_cluster
from tidemill.home import Home
from tidemill.live_model import what_the_gate_said

if TYPE_CHECKING:
    from rich.table import Table

    from tidemill.report.overview import HomeStatus, LiveStatus, ObjectiveStatus

_ENDLESS = 1_000
_STYLES = {"ok": "green", "watch": "yellow", "act": "bold red", "undecided": "dim"}


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command()(status)


def status(
    objective: Annotated[
        str | None, typer.Argument(help="An objective; all of this home when left out.")
    ] = None,
    context: Context = None,
    namespace: Namespace = None,
    as_json: Json = False,
) -> None:
    """Show the objectives of this home: what is live, how good it was, what the monitor says.

    AUC (NDCG where items are chosen, the highest tenth's share of values) and the lift of grade A
    are those of the live version's test window; `data until` is where that window ends. Reads files
    only, so it answers at once. Says what to run next when something is missing.

    On a cluster, shows what `kubectl get objectives` does, and for one objective also its
    conditions and the newest training.
    """
    if is_on_cluster(context, namespace):
        on_cluster.show_status(context, namespace, objective, as_json)
        return
    from tidemill.report.overview import look  # keeps --help fast

    found = look(Home.from_environment(), objective)
    if as_json:
        console.print_json(asdict(found))
        return
    last = (
        "" if found.last_event is None else f", the last at {found.last_event:%Y-%m-%d %H:%M} UTC"
    )
    console.out.print(f"{found.home}: {found.events:,} events{last}", markup=False)
    if found.objectives:
        console.out.print(_table(found.objectives))
    for hint in next_steps(found):
        console.log(f"[bold]next:[/] {hint}")


def next_steps(found: HomeStatus) -> list[str]:
    """The command that brings each unfinished thing further."""
    if not found.events:
        return ["import events with `tidemill events import FILES`, or play `tidemill demo`"]
    if not found.objectives:
        return ["train a model with `tidemill train OBJECTIVE.yaml`"]
    steps = []
    for each in found.objectives:
        if each.type == "alert":
            if each.monitor is None:
                steps.append(f"`tidemill monitor {each.name}`, as nobody looked yet")
        elif each.is_refused:
            steps.append(what_the_gate_said(each.name))
        elif each.live is None:
            steps.append(f"`tidemill train {each.name}`, as nothing is live for it")
        elif not each.predictions:
            steps.append(f"`tidemill serve {each.name}`, as it answered nobody yet")
        elif each.monitor is None:
            steps.append(f"`tidemill monitor {each.name}`, as nobody checked it yet")
    return steps


def _table(objectives: tuple[ObjectiveStatus, ...]) -> Table:
    from rich.table import Table  # keeps --help fast

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("objective", "type", "live", "data until"):
        table.add_column(title)
    for title in ("quality", "A lift"):
        table.add_column(title, justify="right")
    table.add_column("monitor")
    table.add_column("answers", justify="right")
    for each in objectives:
        table.add_row(each.name, each.type, *_live_cells(each), _monitor_cell(each), _answers(each))
    # As wide as it must be: on a narrow terminal a line goes on below, and nothing is cut off.
    endless = console.out.options.update(max_width=_ENDLESS)
    table.width = console.out.measure(table, options=endless).maximum
    return table


def _answers(objective: ObjectiveStatus) -> str:
    """An alert is asked nothing."""
    return "-" if objective.type == "alert" else f"{objective.predictions:,}"


def _live_cells(objective: ObjectiveStatus) -> tuple[str, str, str, str]:
    live = objective.live
    if live is None:
        return "-", "-", "-", "-"
    lift = "-" if live.grade_a_lift is None else f"x{live.grade_a_lift:.1f}"
    return f"v{live.version}", f"{live.data_until:%Y-%m-%d}", _quality(live), lift


def _quality(live: LiveStatus) -> str:
    if live.auc is not None:
        return f"AUC {live.auc:.3f}"
    if live.capture is not None:
        return f"top 10%: {live.capture:.0%}"
    return "-" if live.ndcg is None else f"NDCG {live.ndcg:.3f}"


def _monitor_cell(objective: ObjectiveStatus) -> str:
    newest = objective.monitor
    if newest is None:
        return "-"
    style = _STYLES[newest.status]
    return f"[{style}]{newest.status}[/] {newest.at:%Y-%m-%d}"
