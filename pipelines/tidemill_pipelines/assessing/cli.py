"""`tidemill assess`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import At, Json, instant_or_log_end, parse_instant
from tidemill.home import Home

if TYPE_CHECKING:
    import duckdb


def assess(
    objective: Annotated[str, typer.Argument(help="An objective file, or a name used before.")],
    at: At = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Audit this training table for leaks too: Parquet or CSV with user_id, cutoff, "
            "label and a column for each feature."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report there, as a page.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether an objective can be trained: is there enough, and is it sound?

    History and outcomes in every window; whether anything in the past tells the outcome; a measured
    learning curve and what twice the users would add; the smallest effect an A/B test could show;
    one user id per person; missing periods, and events that start or stop in the middle; who was
    exposed; what a one-line rule reaches. A training table of your own (`--table`) is compared with
    the log for columns that know the future. Each finding says what was seen, why it matters and
    what to do. The verdict is **ready**, **ready with warnings** or **not ready**; a training
    starts with the same checks and refuses what is not ready.

    Changes nothing in the home but the feature rows it computes, which a training uses again.

    Exit codes: 0 ready, with or without warnings; 1 failed; 3 not ready.
    """
    from tidemill.events import EventLog  # keeps --help fast
    from tidemill.objective import resolve_objective
    from tidemill.report.writing import write_page
    from tidemill_pipelines.assessing.assess import assess as run
    from tidemill_pipelines.assessing.assessment import EXIT_CODES
    from tidemill_pipelines.assessing.page import render_page
    from tidemill_pipelines.assessing.render import render

    home = Home.from_environment()
    declared = resolve_objective(home, objective)
    with EventLog(home.events).connect() as con:
        assessment = run(home, con, declared, _instant(con, at), table)
    if html is not None:
        write_page(html, render_page(assessment, datetime.now(UTC)), "--html")
        console.log(f"wrote {html}")
    if as_json:
        console.print_json(assessment.to_json())
    else:
        console.out.print(render(assessment))
    raise typer.Exit(EXIT_CODES[assessment.verdict])


def _instant(con: duckdb.DuckDBPyConnection, at: str | None) -> datetime:
    """An empty log has no end; that it is empty is a finding, and no failure."""
    from tidemill.errors import EventLogError

    if at:
        return parse_instant(at)
    try:
        return instant_or_log_end(con, None)
    except EventLogError:
        return datetime.now(UTC)
