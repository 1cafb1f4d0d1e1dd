"""The prediction log in columns: who was answered, in which experiment and arm, and when.

Each segment of the log becomes one Parquet file with a row per unit, arm, way of answering and day
(UTC); a segment that has grown since is converted again. What was converted stays when its segment
goes, so an experiment keeps its exposures when old segments are deleted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tidemill.events.delta import literal_glob
from tidemill.home import Home
from tidemill.segments import KINDS, read_segment, segments
from tidemill_features.sql import DAY_US

_BATCH_ROWS = 100_000
_ANSWERS = pa.schema(
    [
        pa.field("experiment", pa.string()),
        pa.field("unit", pa.string()),
        pa.field("arm", pa.string()),
        pa.field("serve", pa.string()),
        pa.field("at_us", pa.int64()),
    ]
)
_REDUCED = f"""
SELECT experiment, unit, arm, serve, at_us // {DAY_US} AS day,
    MIN(at_us) AS first_us, COUNT(*) AS answers
FROM answered GROUP BY experiment, unit, arm, serve, day
"""


def update_exposures(
    home: Home, objective: str, on_damage: Callable[[Path], None] | None = None
) -> int:
    """Convert what is new in the objective's prediction log; returns how many segments were.

    Memory is that of one segment. `on_damage` as in `tidemill.segments.read_frames`.
    """
    folder = home.exposures(objective)
    folder.mkdir(parents=True, exist_ok=True)
    converted = 0
    with home.lock(f"exposures-{objective}"):
        for segment in segments(home.predictions(objective)):
            file = folder / f"{segment.stem}-{segment.stat().st_size}.parquet"
            if file.exists():
                continue
            earlier = list(folder.glob(f"{segment.stem}-*.parquet"))
            _convert(segment, file, on_damage)
            for stale in earlier:
                stale.unlink()
            converted += 1
    return converted


def show_exposures(con: duckdb.DuckDBPyConnection, home: Home, objective: str) -> None:
    """Create the view `exposures(experiment, unit, arm, serve, day, first_us, answers)`.

    A null experiment is an answer outside of any, a null unit one for nobody who is known, a null
    arm one for a unit that takes no part. `serve` is what answered; `day` counts from 1970, UTC.
    """
    folder = home.exposures(objective)
    if not any(folder.glob("*.parquet")):
        con.register("answered", _ANSWERS.empty_table())
        con.execute(f"CREATE OR REPLACE TEMP VIEW exposures AS {_REDUCED}")
        return
    pattern = literal_glob(folder).replace("'", "''") + "/*.parquet"
    con.execute(f"CREATE OR REPLACE TEMP VIEW exposures AS SELECT * FROM read_parquet('{pattern}')")


def _convert(segment: Path, file: Path, on_damage: Callable[[Path], None] | None) -> None:
    """A reader finds the whole file or none."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    batches = _batches(segment, on_damage)
    with duckdb.connect() as con:
        con.register("answered", pa.Table.from_batches(batches, schema=_ANSWERS))
        con.sql(_REDUCED).write_parquet(str(draft), compression="zstd")
    draft.replace(file)


def _batches(segment: Path, on_damage: Callable[[Path], None] | None) -> Iterator[pa.RecordBatch]:
    columns: dict[str, list[Any]] = {name: [] for name in _ANSWERS.names}
    for header, _ in read_segment(segment, KINDS, on_damage):
        users = header["users"]
        columns["experiment"] += [header.get("experiment")] * len(users)
        columns["unit"] += users
        nothing = [None] * len(users)
        columns["arm"] += header.get("arms", nothing)
        columns["serve"] += header.get("serves", nothing)
        columns["at_us"] += [header["at"]] * len(users)
        if len(columns["unit"]) >= _BATCH_ROWS:
            yield pa.RecordBatch.from_pydict(columns, schema=_ANSWERS)
            columns = {name: [] for name in _ANSWERS.names}
    yield pa.RecordBatch.from_pydict(columns, schema=_ANSWERS)
