"""`python benchmarks/experiment_scale.py`: what an analysis costs, against the size of its logs.

Protocol: so many exposures (an answered user on a day) of two in five as many users in two arms
over 28 days, and as many events over seven weeks, a third of them orders with lognormal values that
the treatment makes 5% larger. The whole analysis is run in a process of its own: who was exposed,
three metrics (conversion, winsorised revenue, revenue per visit), each with its past (CUPED), the
segments, and everything that is counted. Peak memory is the process's largest resident set. The
conversion of the prediction log into columns is measured apart, for requests of 1 and 100 users.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from experiment_page import table

from tidemill.events.identity import create_trivial_views
from tidemill.events.schema import ITEMS, MARKS, RECEIPTS
from tidemill.experiments.logged import encode_assigned, exposed
from tidemill.experiments.running import Experiment, RunningArm
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill.segments import SegmentLog
from tidemill_monitoring.experiments.analysis import Analysis, analyse
from tidemill_monitoring.experiments.connection import bound_memory
from tidemill_monitoring.experiments.exposures import show_exposures, update_exposures
from tidemill_monitoring.experiments.facts import to_json

ROOT = Path(__file__).resolve().parents[1]
SIZES = (100_000, 1_000_000, 10_000_000, 50_000_000)
CONVERTED = 1_000_000
CHUNK = 1_000_000
START = datetime(2024, 3, 4, tzinfo=UTC)
DAYS = 28
LIFT = 0.05
DECLARED = {
    "arms": [
        {"name": "control", "share": "50%", "serve": "champion"},
        {"name": "treated", "share": "50%", "serve": "rule"},
    ],
    "metrics": [
        {"name": "buys", "event": "order"},
        {
            "name": "revenue",
            "event": "order",
            "kind": "sum",
            "value": "value",
            "winsorise": 0.999,
        },
        {"name": "a_visit", "event": "order", "kind": "ratio", "value": "value", "per": "visit"},
    ],
    "smallest_effect": "2%",
}
_START_US = int(START.timestamp() * 1e6)
_DAY_US = 86_400_000_000
_UNIT = "hash(i * 7 + 1) % {users}"
_NORMAL = (
    "sqrt(-2 * ln((hash(i * 7 + 3) % 1000000 + 1) / 1000001)) "
    "* cos(6.283185307 * (hash(i * 7 + 4) % 1000000) / 1000000)"
)
_EXPOSURES = f"""
SELECT 'shop-1' AS experiment, 'user-' || unit AS unit,
    CASE WHEN hash(unit) % 2 = 0 THEN 'control' ELSE 'treated' END AS arm,
    CASE WHEN hash(unit) % 2 = 0 THEN 'champion' ELSE 'rule' END AS serve,
    at_us // {_DAY_US} AS day, at_us AS first_us, 1 AS answers
FROM (SELECT {_UNIT} AS unit, {_START_US} + (hash(i * 7 + 2) % {DAYS * _DAY_US})::BIGINT AS at_us
      FROM range({{start}}, {{stop}}) AS r(i))
"""
_EVENTS = f"""
SELECT 'e' || i AS event_id, CASE WHEN i % 3 = 0 THEN 'order' ELSE 'visit' END AS name,
    'user-' || unit AS user_id, NULL::VARCHAR AS anonymous_id, NULL::VARCHAR AS item_id,
    happened AS timestamp, happened AS received_at,
    CASE WHEN i % 3 = 0 THEN exp({_NORMAL}) * (1 + {LIFT} * (hash(unit) % 2)) END AS value,
    '{{{{}}}}' AS properties
FROM (SELECT i, {_UNIT} AS unit, make_timestamptz(
          {_START_US - 7 * _DAY_US} + (hash(i * 7 + 5) % {49 * _DAY_US})::BIGINT) AS happened
      FROM range({{start}}, {{stop}}) AS r(i))
"""


def make_logs(folder: Path, size: int) -> None:
    """Both logs as Parquet files of a million rows."""
    home = Home(folder)
    exposures, events = home.exposures("shop"), home.events
    for place in (exposures, events):
        place.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        for start in range(0, size, CHUNK):
            between = {"users": size * 2 // 5, "start": start, "stop": min(start + CHUNK, size)}
            for place, query in ((exposures, _EXPOSURES), (events, _EVENTS)):
                con.sql(query.format(**between)).write_parquet(str(place / f"{start:09}.parquet"))


def analyse_logs(folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of the whole analysis."""
    home, scratch = Home(folder), folder / "scratch"
    scratch.mkdir()
    arms = (("control", "champion"), ("treated", "rule"))
    experiment = Experiment(
        number=1,
        objective="shop",
        salt="shop-1",
        slot=None,
        arms=tuple(RunningArm(name, Decimal("0.5"), serve, None) for name, serve in arms),  # type: ignore[arg-type]  # both are among the literals
        started_at=START,
        declared=DeclaredExperiment.model_validate(DECLARED).model_dump(mode="json"),
    )
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"CREATE VIEW events AS FROM read_parquet('{home.events}/*.parquet')")
        for name, schema in (("items", ITEMS), ("marks", MARKS), ("receipts", RECEIPTS)):
            con.register(name, schema.empty_table())
        create_trivial_views(con)
        con.execute("CREATE VIEW uncounted AS SELECT event_id FROM marks")
        bound_memory(con, scratch)
        started, begun = time.perf_counter(), time.process_time()
        show_exposures(con, home, "shop")
        found = analyse(home, _objective(), experiment, con, START + timedelta(days=42))
        cost = {
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - begun,
            "peak_gb": _peak_gb(),
        }
    _check(found)
    return {**cost, "users": sum(found.units)}


def convert_log(folder: Path, batch: int) -> dict[str, Any]:
    """Seconds and peak memory of converting a prediction log in requests of `batch` users."""
    home = Home(folder)
    log = SegmentLog(home.predictions("shop"))
    arms = [RunningArm("control", Decimal("0.5"), "champion", None)] * batch
    for number in range(CONVERTED // batch):
        users = [f"user-{number * batch + place}" for place in range(batch)]
        log.write(encode_assigned("shop", _START_US + number, users, exposed("shop-1", arms)))
    log.close()
    begun = time.process_time()
    update_exposures(home, "shop")
    seconds = time.process_time() - begun
    return {"batch": batch, "a_second": CONVERTED / seconds, "peak_gb": _peak_gb()}


def markdown(facts: dict[str, Any]) -> str:
    sizes = {
        "size": ("exposures, and as many events", ",d"),
        "users": ("users", ",d"),
        "seconds": ("seconds", ".1f"),
        "cpu_seconds": ("CPU seconds", ".1f"),
        "peak_gb": ("peak memory, GB", ".2f"),
    }
    converted = {
        "batch": ("users a request", ",d"),
        "a_second": ("answers a CPU second", ",.0f"),
        "peak_gb": ("peak memory, GB", ".2f"),
    }
    return "\n".join(
        [
            "## The whole analysis\n",
            table(facts["analysis"], sizes),
            "\n## The prediction log into columns, once\n",
            table(facts["conversion"], converted),
            f"\n{facts['machine']} CPU seconds are those of all threads; seconds tell how busy "
            "the machine was.\n",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "FOLDER", "SIZE"), help="internal")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(_one(options.one[0], Path(options.one[1]), int(options.one[2]))))
        return
    facts = {
        "analysis": [_apart("analyse", size) for size in options.sizes],
        "conversion": [_apart("convert", batch) for batch in (1, 100)],
        "machine": f"{os.cpu_count()} cores, DuckDB {duckdb.__version__}.",
    }
    (options.out / "experiment-scale.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "experiment-scale.md").write_text(markdown(facts))
    print(markdown(facts))


def _apart(what: str, size: int) -> dict[str, Any]:
    """Logs are made in this process, and judged in another, whose memory is its own."""
    folder = Path(tempfile.mkdtemp())
    try:
        if what == "analyse":
            make_logs(folder, size)
        command = [sys.executable, __file__, "--one", what, str(folder), str(size)]
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    finally:
        shutil.rmtree(folder)
    facts: dict[str, Any] = {"size": size, **json.loads(said)}
    print(facts, file=sys.stderr)
    return facts


def _one(what: str, folder: Path, size: int) -> dict[str, Any]:
    return analyse_logs(folder) if what == "analyse" else convert_log(folder, size)


def _objective() -> Objective:
    return Objective.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": "shop"},
            "spec": {"propensity": {"event": "order", "within": "7d"}, "experiment": DECLARED},
        }
    )


def _check(found: Analysis) -> None:
    """What was put in must come out."""
    facts = to_json(found)
    (revenue,) = (each for each in facts["others"] if each["metric"] == "revenue")
    (buys,) = facts["primary"]
    assert not facts["sample_ratio"]["is_mismatch"], facts["sample_ratio"]
    assert revenue["lift"]["lower"] < LIFT < revenue["lift"]["upper"], revenue
    assert buys["lift"]["lower"] < 0 < buys["lift"]["upper"], buys


def _peak_gb() -> float:
    """Of this program alone: getrusage's maximum is inherited from the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 2**20 if found else float("nan")


if __name__ == "__main__":
    main()
