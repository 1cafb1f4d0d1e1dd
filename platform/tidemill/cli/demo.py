"""`tidemill demo`."""

from __future__ import annotations

import typer

from tidemill.home import Home


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("demo")(demo)


def demo() -> None:
    """Play a year of a real retailer as if it were live, in about three minutes.

    Imports events, trains and serves a model, replays the four weeks that followed, compares what
    was promised with what happened, then renames an event as a careless tracking change would and
    watches the monitor find it. Needs no service. State goes to TIDEMILL_HOME.
    """
    from tidemill.demo.story import play

    play(Home.from_environment())
