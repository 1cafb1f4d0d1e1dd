"""The connection that experiments are analysed on: memory is bounded, the rest goes to the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from tidemill.events import EventLog
from tidemill.events.staging import scratch_folder
from tidemill.home import Home
from tidemill_monitoring.experiments.exposures import show_exposures

_MOST_BYTES = 5 * 2**30
_SHARE = 0.6
"""Of the machine's memory, where that is less."""


@contextmanager
def connected(home: Home, objective: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """With the views of the event log, and `exposures`."""
    with (
        scratch_folder(home.experiments(objective) / "scratch") as folder,
        EventLog(home.events).connect() as con,
    ):
        bound_memory(con, folder)
        show_exposures(con, home, objective)
        yield con


def bound_memory(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """What does not fit is kept in `folder` meanwhile."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(_MOST_BYTES, int(_SHARE * machine))
    con.execute(f"SET memory_limit = '{limit // 2**20}MiB'")
    con.execute("SET preserve_insertion_order = false")
    con.execute("SET temp_directory = '" + str(folder).replace("'", "''") + "'")
