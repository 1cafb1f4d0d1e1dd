"""`tidemill items`: what can be offered, and its attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import Json
from tidemill.home import Home


def register(app: typer.Typer) -> None:
    """Add `tidemill items ...`."""
    items = typer.Typer(no_args_is_help=True, help="What events are about, with its attributes.")
    items.callback()(lambda: None)
    items.command("import")(import_items)
    app.add_typer(items, name="items")


def import_items(
    paths: Annotated[list[Path], typer.Argument(help="CSV, JSON lines or Parquet files.")],
    as_json: Json = False,
) -> None:
    """Import items: a column `item_id`, and one column per attribute.

    Objectives and features read attributes as `item.<column>`. A known item is replaced; importing
    twice changes nothing.
    """
    from tidemill.events import EventLog
    from tidemill.events.items import read_items

    log = EventLog(Home.from_environment().events)
    read = [read_items(path) for path in paths]
    changed = sum(log.put_items(items) for items in read)
    total = sum(items.num_rows for items in read)
    if as_json:
        console.print_json({"read": total, "changed": changed})
        return
    console.out.print(f"{total:,} items read, {changed:,} new or changed")
