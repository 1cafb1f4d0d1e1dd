"""`tidemill quality`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import At, Json, TerminationLog, instant_or_log_end
from tidemill.errors import EventLogError
from tidemill.home import Home
from tidemill_monitoring.cli import EXIT_CODES


def register(app: typer.Typer) -> None:
    """Add the quality command to the CLI."""
    app.command()(quality)


def quality(
    at: At = None,
    days: Annotated[
        int, typer.Option(min=1, max=56, help="How many whole days, the newest, to judge.")
    ] = 14,
    html: Annotated[
        Path | None,
        typer.Option(help="Write the page there. Default: reports/data-quality.html in the home."),
    ] = None,
    termination_log: TerminationLog = None,
    as_json: Json = False,
) -> None:
    """Judge the event log itself: is everything that should arrive still arriving, and sound?

    Volumes of every event name against the band that its own past, trend and weekday give, and
    against the other events; names and properties that are new, gone or changed; refused and
    duplicate events; gaps in clients' counters; lag, clocks, identity, repeats and bots. Verdicts
    are **ok**, **watch** (look when you can), **act**, or **undecided** (the sentence says what is
    missing). A page with the volumes drawn is kept in the home.

    Days are whole and UTC; they are compared with what had arrived of earlier days at the same
    age. Up to 26 weeks before the judged days tell what is usual.

    Exit codes: 0 ok or watch; 1 failed; 3 act; 4 nothing could be decided. With
    `--termination-log`: 0 for every verdict, 1 for a failure.
    """
    from tidemill.events import EventLog  # keeps --help fast
    from tidemill.events.plan import load_plan
    from tidemill.report.writing import write_page
    from tidemill_monitoring.event_log.page import render_page
    from tidemill_monitoring.event_log.render import render_report
    from tidemill_monitoring.event_log.report import examine
    from tidemill_monitoring.event_log.span import Span
    from tidemill_monitoring.termination import quality_message, write_message

    home = Home.from_environment()
    users_per_device = load_plan(home.events).spec.identity.usersPerDevice
    with EventLog(home.events).connect() as con:
        try:
            instant = instant_or_log_end(con, at)
        except EventLogError:  # the first day has no past: a job must say so, not fail
            instant = datetime.now(UTC)
        received_until = instant if at else datetime.now(UTC)
        report = examine(con, Span(instant, days), received_until, users_per_device, console.log)
    page = html or home.reports / "data-quality.html"
    write_page(page, render_page(report, datetime.now(UTC)), "--html")
    if as_json:
        console.print_json(report.to_json())
    else:
        console.out.print(render_report(report))
        console.out.print(f"[dim]page: {page}[/]")
    if termination_log is not None:
        write_message(termination_log, quality_message(report))
        return
    raise typer.Exit(EXIT_CODES[report.status])
