"""`tidemill events`: fill the event log and look into it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from tidemill.cli import console, plan
from tidemill.cli.identity import show_identity
from tidemill.cli.importing import import_events, show_report
from tidemill.cli.options import Json, parse_instant
from tidemill.home import Home

if TYPE_CHECKING:
    from tidemill.events import EventLog

_LONGEST_SHOWN = 120


def register(app: typer.Typer) -> None:
    """Add `tidemill events ...`."""
    events = typer.Typer(no_args_is_help=True, help="Fill the event log and look into it.")
    events.command("import")(import_events)
    events.command("sample")(import_sample)
    events.command("summary")(show_summary)
    events.command("rejected")(show_rejected)
    events.command("identity")(show_identity)
    plan.register(events)
    app.add_typer(events, name="events")


def import_sample(
    start: Annotated[str | None, typer.Option(help="First instant, ISO 8601.")] = None,
    end: Annotated[str | None, typer.Option(help="Instant after the last, ISO 8601.")] = None,
    *,
    recent: Annotated[
        bool, typer.Option("--recent", help="Move the year by whole weeks, to end in this one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import the sample: a year of a real grocery retailer, 1.8 million events of 2,469 users.

    `--start` and `--end` replay the year piece by piece; `--recent` makes it one that has just
    passed, as a cluster needs it, where now is always now. Needs the extra `sample`.
    """
    from tidemill.importing.importer import import_table
    from tidemill.sample.retail import SOURCE, move_to, sample_events, sample_items

    log = _open_log()
    console.log("reading the sample")
    events = sample_events(_instant(start), _instant(end))
    if recent:
        events = move_to(events, datetime.now(UTC))
    console.log(f"importing {events.num_rows:,} events")
    report = import_table(log, events, SOURCE)
    log.put_items(sample_items())
    show_report(report, as_json)


def show_summary(as_json: Json = False) -> None:
    """Count the events by name: how many, of how many users, first, last.

    "Last 7d" are the last seven days of the log, which end with its latest event.
    """
    from tidemill.events.summary import summarise_events

    summaries = summarise_events(_open_log())
    if as_json:
        console.print_json([asdict(summary) for summary in summaries])
        return
    name = Column("event", no_wrap=True)
    table = Table(name, *_right("events", "users"), "first", "last", *_right("last 7d"))
    for row in summaries:
        counts = [f"{row.events:,}", f"{row.users:,}"]
        days = [f"{time:%Y-%m-%d}" for time in (row.first, row.last)]
        table.add_row(Text(row.name), *counts, *days, f"{row.recent:,}")
    console.out.print(table)


def show_rejected(
    limit: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the rows that imports refused: why, where they stood, and their text."""
    from tidemill.events.summary import count_dead_letters, latest_dead_letters

    log = _open_log()
    counts = count_dead_letters(log)
    letters = latest_dead_letters(log, limit)
    if as_json:
        console.print_json({"by_reason": counts, "rows": [asdict(letter) for letter in letters]})
        return
    console.out.print(_reasons(counts))
    for letter in letters:
        place = letter.source if letter.line is None else f"{letter.source}:{letter.line}"
        text = " ".join(letter.raw[:_LONGEST_SHOWN].split())
        console.out.print(f"{place}: {letter.reason}: {text}", markup=False)


def _open_log() -> EventLog:
    from tidemill.events import EventLog

    return EventLog(Home.from_environment().events)


def _reasons(counts: dict[str, int]) -> Table:
    table = Table("reason", *_right("rows"))
    for reason, count in counts.items():
        table.add_row(reason, f"{count:,}")
    return table


def _right(*titles: str) -> list[Column]:
    return [Column(title, justify="right") for title in titles]


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)
