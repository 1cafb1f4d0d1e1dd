"""`tidemill events identity`: who is who, why, and how to take it back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from tidemill.cli import console
from tidemill.cli.options import Json, parse_instant
from tidemill.errors import EventLogError, TidemillError
from tidemill.home import Home

if TYPE_CHECKING:
    from tidemill.events import EventLog
    from tidemill.events.identity.decisions import Action
    from tidemill.events.identity.portrait import Belonging, Claim, Portrait


def show_identity(
    user: Annotated[str | None, typer.Argument(help="A user's id, or an anonymous one.")] = None,
    forget: Annotated[
        str | None,
        typer.Option("--forget", metavar="ID", help="From now on, this id joins nobody."),
    ] = None,
    restore: Annotated[
        str | None, typer.Option("--restore", metavar="ID", help="Take back a --forget.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Kept with --forget or --restore.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="From when --forget or --restore counts, ISO 8601 or `now`. Default: now, or "
            "the end of an event log that ended in the past.",
            envvar="TIDEMILL_AT",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which ids were joined to a user: since when, by which event, and what was refused.

    An anonymous id joins the first user that a login or an alias links it to, from the moment
    that event was received. `--forget ID` takes the link of an id back, for predictions made from
    then on; those made before keep what was believed at the time. No event is changed or deleted,
    and `--restore ID` takes that back in turn.
    """
    given = [name for name in (user, forget, restore) if name is not None]
    if len(given) != 1:
        raise TidemillError(
            f"{len(given)} of USER, --forget and --restore were given", hint="give one of them"
        )
    from tidemill.events import EventLog  # duckdb, not for --help

    log = EventLog(Home.from_environment().events)
    if user is None:
        _decide(log, "restore" if forget is None else "forget", given[0], reason, at)
    _show(log, given[0], as_json)


def _decide(log: EventLog, action: Action, known: str, reason: str | None, at: str | None) -> None:
    from tidemill.events.identity.decisions import Decision, decide, decision_time
    from tidemill.events.identity.portrait import portray

    if action == "forget" and not portray(log, known).belongs_to:
        raise EventLogError(
            f"the id '{known}' is not joined to anybody, so there is nothing to forget",
            hint="`tidemill events identity USER` shows the ids that were joined to a user",
        )
    with log.connect() as con:
        instant = parse_instant(at) if at else decision_time(con)
    decide(log.root, Decision(instant, action, known, reason))
    console.log(f"{action}: '{known}', from {_time(instant)} UTC")


def _show(log: EventLog, known: str, as_json: bool) -> None:
    from tidemill.events.identity.portrait import portray

    portrait = portray(log, known)
    if not portrait.is_known:
        raise EventLogError(
            f"no event has to do with the id '{known}'",
            hint="ids are compared letter by letter; are the events imported?",
        )
    if as_json:
        console.print_json(asdict(portrait))
        return
    _print(portrait)


def _print(portrait: Portrait) -> None:
    console.out.print(
        f"events that count for '{portrait.id}' to this day: {portrait.events:,}", markup=False
    )
    causes = {(claim.id, claim.user_id): claim for claim in portrait.links}
    for title, rows in (("belongs to", portrait.belongs_to), ("joined", portrait.joined)):
        if rows:
            console.out.print(_belongings(title, rows, causes))
    if portrait.refused:
        console.out.print(_refused(portrait.refused))
    for decision in portrait.decisions:
        words = f"{decision.action}: '{decision.id}', from {_time(decision.decided_at)}"
        console.out.print(words + (f": {decision.reason}" if decision.reason else ""), markup=False)


def _belongings(title: str, rows: list[Belonging], causes: dict[tuple[str, str], Claim]) -> Table:
    table = Table("id", title, "since", "until", "by")
    for row in rows:
        cause = causes.get((row.id, row.user_id))
        by = "a chain of links" if cause is None else f"{cause.event} {cause.event_id}"
        until = "now" if row.until is None else _time(row.until)
        if row.shared_at is not None:
            until += f"; not what came after {_time(row.shared_at)}: shared device"
        cells = (row.id, row.user_id, _time(row.since), until, by)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _refused(claims: list[Claim]) -> Table:
    table = Table("refused", "as", "because", "received", "by")
    for claim in claims:
        by = f"{claim.event} {claim.event_id}"
        cells = (claim.id, claim.user_id, claim.verdict, _time(claim.received_at), by)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"
