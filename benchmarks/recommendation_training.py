"""The whole of `tidemill train` for a recommender, from the event log on: time and memory by size.

    python benchmarks/recommendation_training.py [--sizes 100000 1000000]

A log of a hundred orders for each of so many users is made up: a year, a hundred thousand items,
and tastes that are popularity alone, which is the hardest for memory because everybody meets
everything. Then the command runs as anybody would run it. CPU seconds are those of all its
processes, memory is the largest one's; from outside it can be bounded by a control group. Writes
docs/benchmarks/recommendation-training.{json,md}; a size that is left out keeps its numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tidemill.events import EventLog
from tidemill.events.schema import EVENTS, ITEMS
from tidemill.home import Home

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "benchmarks"
ITEM_COUNT = 100_000
ORDERS_A_USER = 100
DAYS = 365
OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: scale}
spec:
  recommendation: {event: order, within: 28d}
"""
Facts = dict[str, Any]


def batches(con: duckdb.DuckDBPyConnection, users: int) -> Iterator[pa.RecordBatch]:
    """Orders, a day at a time and in their order, so that nothing has to be sorted."""
    orders = users * ORDERS_A_USER // DAYS
    for day in range(DAYS):
        con.execute(f"SELECT setseed({day / 1000})")
        start = "timestamptz '2025-01-01 00:00:00+00'"
        instant = (
            f"{start} + to_microseconds(({day} * 86400000000 + i * (86400000000 // {orders})))"
        )
        found = con.sql(
            f"""
            SELECT 'e{day}-' || i AS event_id, 'order' AS name,
                   'user-' || floor({users} * pow(random(), 1.5))::BIGINT AS user_id,
                   NULL::VARCHAR AS anonymous_id,
                   'i' || floor({ITEM_COUNT} * pow(random(), 2.5))::BIGINT AS item_id,
                   {instant} AS timestamp, {instant} AS received_at,
                   round(random() * 20, 2) AS value, '{{}}' AS properties
            FROM range({orders}) t(i)
            """
        )
        yield from found.to_arrow_table().cast(EVENTS).to_batches()


def make_log(home: Home, users: int) -> None:
    """Items with a brand and a category each, and the orders."""
    log, con = EventLog(home.events), duckdb.connect()
    con.execute("SET TimeZone = 'UTC'; SET threads = 2")
    items = con.sql(
        f"""
        SELECT 'i' || i AS item_id,
               '{{"brand": "b' || (i % 500) || '", "category": "c' || (i % 3000) || '"}}'
                   AS attributes
        FROM range({ITEM_COUNT}) t(i)
        """
    )
    log.put_items(items.to_arrow_table().cast(ITEMS))
    log._events.write(batches(con, users), "append")  # as they are: nothing is there twice


def measured(users: int, folder: Path) -> Facts:
    """One training in processes of its own."""
    home = Home(folder / "home")
    make_log(home, users)
    file = folder / "scale.yaml"
    file.write_text(OBJECTIVE)
    command = [Path(sys.executable).with_name("tidemill"), "train", file]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env={**os.environ, "TIDEMILL_HOME": str(home.root)}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "users": users,
        "events": users * ORDERS_A_USER // DAYS * DAYS,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall_seconds": time.perf_counter() - begun,
        "peak_gb": after.ru_maxrss / 2**20,
    }


def markdown(facts: Facts) -> str:
    """The page for the documentation."""
    rows = sorted(facts["sizes"].values(), key=lambda each: int(each["users"]))
    return "\n".join(
        [
            "# Training a recommender, from the event log to the live model",
            "",
            "Made by `python benchmarks/recommendation_training.py`; its docstring is the "
            f"protocol. {ITEM_COUNT:,} items, {ORDERS_A_USER} events a user; two cores.",
            "",
            "| users | events | CPU s | seconds | largest process, GB |",
            "|--:|--:|--:|--:|--:|",
            *(
                f"| {row['users']:,} | {row['events']:,} | {row['cpu_seconds']:,.0f} "
                f"| {row['wall_seconds']:,.0f} | {row['peak_gb']:.1f} |"
                for row in rows
            ),
            "",
            "Seconds tell how busy the machine was. A set that would not fit into the memory that "
            "is free, or that the control group leaves, is refused before anything is fitted.",
            "",
            f"Python {facts['python']}, tidemill {facts['tidemill']}.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "recommendation-training.json"
    facts: Facts = json.loads(path.read_text()) if path.exists() else {"sizes": {}}
    facts |= {"python": platform.python_version(), "tidemill": version("tidemill")}
    for users in options.sizes:
        with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
            facts["sizes"][str(users)] = measured(users, Path(folder))
        path.write_text(json.dumps(facts, indent=2) + "\n")
        (options.out / "recommendation-training.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
