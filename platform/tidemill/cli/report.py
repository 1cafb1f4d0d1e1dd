"""`tidemill report`: one HTML page about one objective."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidemill.cli import console
from tidemill.home import Home


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command()(report)


def report(
    objective: Annotated[str, typer.Argument(help="An objective file, or a name used before.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write the page. Default: reports/NAME.html in the home."),
    ] = None,
) -> None:
    """Write one self-contained HTML page about the live model of an objective.

    How well it ranks and how honest its probabilities are, beside the simple rule. Of a model that
    predicts an outcome, the lift of each grade, promised and, once the monitor knows it, happened,
    and what goes with the outcome; of one that chooses items, the competition it has won, for whom
    and of what it works, and a map of the items; of one that divides users, its segments in words
    and numbers. Every verdict of the monitor, and what followed
    from it; all versions. The page loads nothing from anywhere and can be mailed or printed. Prints
    its path.

    Renews the objective's history page too, below the home's monitoring folder, and links to it.
    """
    from tidemill.objective import resolve_objective  # keeps --help fast
    from tidemill.report.facts import gather
    from tidemill.report.history_page import write_history
    from tidemill.report.page import render_page
    from tidemill.report.writing import write_page

    home = Home.from_environment()
    declared = resolve_objective(home, objective)
    declared.require_model()
    now = datetime.now(UTC)
    page = render_page(gather(home, declared), now)
    write_history(home, declared, now)
    path = out or home.reports / f"{declared.name}.html"
    write_page(path, page, "--out")
    console.log(f"wrote the report, {len(page.encode()) / 1024:.0f} KB")
    typer.echo(str(path))
