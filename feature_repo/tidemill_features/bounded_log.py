"""The event log on a connection that needs no more memory than it is given."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from tidemill.events import EventLog
from tidemill.home import Home

_MOST_BYTES = 3_000_000_000
"""Of the database; a smaller machine or container sets less."""
_LIMIT = "least(parse_formatted_bytes(current_setting('memory_limit')), $most)"


@contextmanager
def bounded_log(home: Home, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """As `EventLog.connect`; what does not fit into memory lies in `folder` for the time being."""
    folder.mkdir(parents=True, exist_ok=True)
    spill = tempfile.mkdtemp(prefix="spill-", dir=folder)
    try:
        with EventLog(home.events).connect() as con:
            limit = con.execute(f"SELECT {_LIMIT}", {"most": _MOST_BYTES}).fetchall()[0][0]
            con.execute(f"SET memory_limit = '{limit}B'")
            con.execute("SET temp_directory = $path", {"path": spill})
            yield con
    finally:
        shutil.rmtree(spill, ignore_errors=True)
