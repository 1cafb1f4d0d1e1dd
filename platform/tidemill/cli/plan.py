"""`tidemill events infer-plan | plan | retry | hygiene`: which events are good, and which count."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from tidemill.cli import console
from tidemill.cli.options import Json
from tidemill.errors import EventLogError
from tidemill.home import Home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.events import EventLog
    from tidemill.events.hygiene.summary import Marked


def register(events: typer.Typer) -> None:
    """Add the commands to `tidemill events`."""
    events.command("infer-plan")(infer)
    events.command("plan")(plan)
    events.command("retry")(retry)
    events.command("hygiene")(hygiene)


def infer(
    out: Annotated[Path | None, typer.Option(help="File to write; default stdout.")] = None,
) -> None:
    """Write a tracking plan that all events in the log keep.

    It asks for what was always so and was seen often enough: types, properties that every event of
    a name has, and the values of texts that have a few fixed ones. Read it, change it, and put it
    in place with `tidemill events plan FILE`.
    """
    from tidemill.events.plan import write_plan
    from tidemill.events.plan.inference import infer_plan

    with _open_log().connect() as con:
        text = write_plan(infer_plan(con))
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text)
    except OSError as error:
        raise EventLogError(f"the plan cannot be written to {out}: {error.strerror}") from error
    console.log(f"written to {out}; put it in place with `tidemill events plan {out}`")


def plan(
    file: Annotated[Path | None, typer.Argument(help="A tracking plan (YAML).")] = None,
    as_json: Json = False,
) -> None:
    """Put a tracking plan in place, or show the present one.

    The file is checked first, then the events in the log are counted that it would have refused.
    They stay; from now on such events become dead letters (see `tidemill events rejected`), which
    `tidemill events retry` takes back when the plan has changed.
    """
    from tidemill.events.plan import keep_plan, load_plan, read_plan, write_plan
    from tidemill.events.plan.preview import count_violations

    log = _open_log()
    if file is None:
        present = load_plan(log.root)
        if as_json:
            console.print_json(present.model_dump(mode="json"))
        else:
            typer.echo(write_plan(present), nl=False)
        return
    planned, text = read_plan(file)
    with log.connect() as con:
        refused = count_violations(con, planned)
    keep_plan(log.root, text.encode())
    if as_json:
        console.print_json({"plan": planned.model_dump(mode="json"), "would_reject": refused})
        return
    _show_reasons("events in the log that it would refuse", refused)
    console.log("the plan is in place for all events from now on")


def retry(as_json: Json = False) -> None:
    """Judge dead letters again by the present rules, and import those that they allow.

    For all that were refused as whole events: by the tracking plan, or out of our own JSON lines.
    Safe to repeat: an event that is in the log already is not added twice.
    """
    from tidemill.events.retrying import retry_dead_letters

    report = retry_dead_letters(_open_log())
    if as_json:
        console.print_json(asdict(report))
        return
    table = Table("dead letters", Column("rows", justify="right"))
    table.add_row("accepted", f"{report.accepted:,}")
    table.add_row("duplicates", f"{report.duplicates:,}")
    for reason, count in report.refused.items():
        table.add_row(Text(f"still refused: {reason}"), f"{count:,}")
    console.out.print(table)


def hygiene(
    limit: Annotated[int, typer.Option(min=0, help="How many users to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Count the events that are kept but do not count: repeated clicks and bot-like rates.

    They stay in the log. `debounce: off` or `bots: off` in the tracking plan counts them again, at
    once and from the beginning.
    """
    from tidemill.events.hygiene.summary import marked_by_name, marked_by_user
    from tidemill.events.plan import load_plan

    log = _open_log()
    heeded = load_plan(log.root).marks_in_force
    with log.connect() as con:
        names, users = marked_by_name(con), marked_by_user(con, limit)
    if as_json:
        found = {"events": [asdict(row) for row in names], "users": [asdict(row) for row in users]}
        console.print_json({"not_counted": heeded, **found})
        return
    _show_marked("event", names)
    _show_marked("user", users)
    for reason in {"repeat", "bot"}.difference(heeded):
        console.log(f"events marked as {reason} count all the same: the plan switches it off")


def _open_log() -> EventLog:
    from tidemill.events import EventLog

    return EventLog(Home.from_environment().events)


def _show_reasons(title: str, counts: dict[str, int]) -> None:
    table = Table(title, Column("rows", justify="right"))
    for reason, count in counts.items():
        table.add_row(Text(reason), f"{count:,}")
    table.add_row("all", f"{sum(counts.values()):,}")
    console.out.print(table)


def _show_marked(title: str, rows: Sequence[Marked]) -> None:
    table = Table(title, *(Column(name, justify="right") for name in ("events", "repeats", "bots")))
    for row in rows:
        counts = (row.events, row.repeats, row.bots)
        table.add_row(Text(row.subject), *(f"{count:,}" for count in counts))
    console.out.print(table)
