"""`tidemill features`: look at the catalog and fill the online store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import At, Json, instant_or_log_end
from tidemill.home import Home

app = typer.Typer(
    name="features",
    help="What is known about each user, now and at any past cutoff.",
    no_args_is_help=True,
)


def register(root: typer.Typer) -> None:
    """Add the features commands to the CLI."""
    root.add_typer(app)


@app.command("list")
def list_features(as_json: Json = False) -> None:
    """List the features of this home, and what each of them counts."""
    from tidemill_features.catalog import load_catalog  # keeps --help fast

    features = load_catalog(Home.from_environment()).features
    if as_json:
        console.print_json([{"name": f.name, "description": f.description} for f in features])
        return
    for feature in features:
        console.out.print(f"{feature.name}  [dim]{feature.description}[/]")


@app.command()
def discover(at: At = None) -> None:
    """Look for signals in the event log and add the new ones to the catalog.

    `tidemill train` does this by itself. A signal that is listed stays listed.
    """
    from tidemill.events import EventLog  # keeps --help fast
    from tidemill_features.catalog import load_catalog, save_catalog
    from tidemill_features.discovery import discover_signals

    home = Home.from_environment()
    con = EventLog(home.events).connect()
    with home.lock("catalog"):
        before = load_catalog(home)
        after = before.grown_by(discover_signals(con, instant_or_log_end(con, at)))
        save_catalog(home, after)
    console.out.print(
        f"{len(after.signals)} signals ({len(after.signals) - len(before.signals)} new), "
        f"{len(after.names)} features"
    )


@app.command()
def materialize(
    at: At = None,
    as_json: Json = False,
) -> None:
    """Compute every user's features as of now and put them into the online store.

    For objectives that choose items, also every user's history, and what may be offered now.

    The store is the home's own file, or the Redis that TIDEMILL_ONLINE_STORE names. Rows of a
    cutoff are computed once; running it again only copies them. `feast materialize` in
    `feature_repo/` does the same with Feast's own machinery, and slower. `--at now` leaves out the
    last three seconds, whose events may still be on their way into the log.
    """
    from tidemill.events import EventLog  # keeps --help fast
    from tidemill_features.materialization import materialize as fill
    from tidemill_features.materialization import settled
    from tidemill_features.offered import look_at_catalogues

    home = Home.from_environment()
    log = EventLog(home.events)
    if log.version() < 0:
        # A scheduled job must not fail every hour until the first import.
        console.log("no events yet, so nothing to do; `tidemill events import PATH` brings some")
        return
    con = log.connect()
    cutoff = min(instant_or_log_end(con, at), settled(datetime.now(UTC)))
    con.close()
    users, catalog = fill(home, cutoff, lambda: console.log("waiting for another materialisation"))
    offered = look_at_catalogues(home, cutoff)
    for each in offered:
        for note in each.notes:
            console.log(f"note: {each.objective}: {note}")
    if as_json:
        available = {each.objective: each.available for each in offered}
        found = {"cutoff": cutoff.isoformat(), "users": users, "available": available}
        console.print_json(found)
        return
    console.out.print(
        f"{users:,} users have {len(catalog.names)} features as of {cutoff:%Y-%m-%d %H:%M} UTC"
    )
    for each in offered:
        console.out.print(
            f"{each.objective}: everybody's history, and a catalogue of {each.items:,} items, "
            f"{each.available:,} of them available now"
        )


@app.command()
def follow(
    once: Annotated[
        bool, typer.Option("--once", help="Catch up with the event log, then end.")
    ] = False,
) -> None:
    """Watch the event log and keep the online store fresh, until SIGTERM or Ctrl-C.

    When events come in, the features and histories of their users are computed as of now and put
    into the online store, a second or so later. When it cannot be told whose features have changed,
    or thousands have, everybody's are computed in the background, as `tidemill features materialize
    --at now` does. It may be killed and started again at any time, and more than one may run.

    Says every few seconds for how many users rows were written, and how old the oldest event was
    by then. For a log that ends in the past use `tidemill features materialize`: this command
    always speaks of the present.
    """
    from tidemill_features.following import follow as follow_log  # keeps --help fast

    follow_log(Home.from_environment(), once, console.log)
