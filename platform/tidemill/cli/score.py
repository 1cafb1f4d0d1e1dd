"""`tidemill score`: the ML Test Score of an objective."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import At, Json, instant_or_log_end
from tidemill.errors import TidemillError
from tidemill.home import Home

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidemill.objective import Objective
    from tidemill.score.scoring import Line, Score

_STYLES = {"automatic": "green", "confirmed": "cyan", "failing": "bold red", "nothing": "dim"}


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command()(score)


def score(
    objective: Annotated[str, typer.Argument(help="An objective file, or a name used before.")],
    confirm: Annotated[
        str | None, typer.Option(help="Record that this test was done by hand; needs --by, --note.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who did it.")] = "",
    note: Annotated[
        str, typer.Option(help="What was done, and where the result can be read.")
    ] = "",
    at: At = None,
    as_json: Json = False,
) -> None:
    """Score an objective's readiness for production: the 28 tests of the ML Test Score.

    Four sections of seven tests. A test is worth 1 when Tidemill runs it again and again for this
    objective, lately and with a good result; 0.5 when it was run once, or covers a part, or a
    person has confirmed it; 0 otherwise. The score is the smallest of the four sums, as in Breck
    et al. 2017. Each line names its evidence.

    `--confirm TEST --by NAME --note TEXT` is recorded for good, and counts for a year or until the
    objective asks something else.
    """
    from tidemill.events import EventLog  # keeps --help fast
    from tidemill.objective import resolve_objective
    from tidemill.score import confirmations, facts, scoring

    home = Home.from_environment()
    declared = resolve_objective(home, objective)
    declared.require_model()
    if confirm is not None:
        _confirm(home, declared, confirm, by, note)
    elif by or note:
        raise TidemillError(
            "--by and --note say who confirmed what, and --confirm is missing",
            hint="name the test too: --confirm TEST",
        )
    with EventLog(home.events).connect() as con:
        instant = instant_or_log_end(con, at)
    kept = confirmations.confirmations(home, declared.name)
    holding = confirmations.newest_holding(kept, declared, datetime.now(UTC))
    found = scoring.score(facts.gather(home, declared, instant), holding)
    if as_json:
        console.print_json(found.to_json())
        return
    console.out.print(_render(found))


def _confirm(home: Home, objective: Objective, test: str, by: str, note: str) -> None:
    from tidemill.objective.problems import nearest
    from tidemill.score import confirmations, rubric

    if test not in rubric.TESTS:
        raise TidemillError(
            f"the rubric has no test '{test}'", hint=nearest(test, list(rubric.TESTS))
        )
    confirmations.confirm(home, objective, test, by, note, datetime.now(UTC))
    console.log(f"recorded: {test}, confirmed by {by}")


def _render(found: Score) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    from tidemill.score.rubric import Section

    table = Table("", "test", "what is known", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.columns[0].justify = "right"
    table.columns[2].overflow = "fold"
    for section in Section:
        table.add_row(f"[bold]{found.sums[section]:g}[/]", f"[bold]{section.value}[/]", "of 7")
        for line in found.of(section):
            table.add_row(*_cells(line))
        table.add_row()
    total = f"[bold]{escape(found.objective)}: {found.total:g}[/], the smallest of "
    sums = ", ".join(f"{section.value} {points:g}" for section, points in found.sums.items())
    return Group(table, f"{total}{sums}: {escape(found.meaning)}")


def _cells(line: Line) -> tuple[str, str, str]:
    from rich.markup import escape

    finding = line.finding
    sources = "".join(
        f"\n[dim]{escape(f'{each.source} {each.at}'.rstrip())}: {escape(each.value)}[/]"
        for each in finding.evidence
        if finding.basis != "confirmed"
    )
    points = f"[{_STYLES[finding.basis]}]{finding.points:g}[/]"
    statement = f"{line.test.statement}\n[dim]{line.test.name}[/]"
    return points, statement, f"{escape(finding.sentence)}{sources}"
