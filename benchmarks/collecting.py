"""`make bench-ingest`, first part: durable collection over HTTP, and what it survives.

    python benchmarks/collecting.py               # writes docs/benchmarks/collecting.{json,md}
    python benchmarks/collecting.py --kills 0     # without the campaign of kills

Protocol: one `tidemill collect` process on loopback; the clients are another process whose
connections are kept alive and send Segment batches, each waiting for its acknowledgement. The same
load goes in turn to the collector as it is and to one whose `os.fsync` does nothing, which exists
here only. Counted: events a second until the last acknowledgement; CPU time of the collector until
all events are in the event log, for HTTP, mapping, spooling and draining together; its resident
set. Draining alone is measured on a spool that was filled before. Then the campaign: the collector
is killed with SIGKILL in the middle of a load and started again, and the event log is compared with
what was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from tidemill.collector.delivery import Delivery
from tidemill.collector.drain import drain_once
from tidemill.collector.spool import Spool
from tidemill.events import EventLog
from tidemill.events.mapped import MappedEvent
from tidemill.home import Home

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "core"))

from collector_load import (  # noqa: E402 - it is found on the path that was just added
    COLLECT,
    Clients,
    CollectorProcess,
    kill_under_load,
)

BATCH = 100
CONNECTIONS = (1, 8, 32)
ROUNDS = 3
PACKAGES = ("tidemill", "httptools", "uvloop", "orjson", "deltalake", "duckdb", "pyarrow")
UNSYNCED = (
    "-c",
    "import os; os.fsync = lambda file: None\nfrom tidemill.cli.main import main; main()",
    *COLLECT[2:],
)
PROGRAMS = {"synced": COLLECT, "not synced": UNSYNCED}


class Memory:
    """The resident set of a process, sampled ten times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._sizes: list[int] = []
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            try:
                self._sizes.append(self._process.memory_info().rss)
            except psutil.Error:
                return
            time.sleep(0.1)

    def peaks(self) -> tuple[int, int]:
        """MB at most in the first and in the second half of the time."""
        half = len(self._sizes) // 2
        return round(max(self._sizes[:half]) / 1e6), round(max(self._sizes[half:]) / 1e6)


@contextmanager
def fresh_home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        yield Home(Path(folder))


def count(home: Home) -> tuple[int, int]:
    """Events in the log, and distinct ones."""
    with EventLog(home.events).connect() as con:
        return con.sql("SELECT count(*), count(DISTINCT event_id) FROM events").fetchall()[0]


def collect(program: tuple[str, ...], events: int, connections: int) -> dict[str, float]:
    """One load through one collector."""
    with fresh_home() as home:
        collector = CollectorProcess(home, program)
        collector.start()
        process = psutil.Process(collector.process.pid)
        idle_cpu, memory = cpu_seconds(process), Memory(process)
        clients = Clients(collector, events, BATCH, connections)
        try:
            seconds = send(clients)
            drained = wait_until_drained(home)
            used = cpu_seconds(process) - idle_cpu
            first_half, second_half = memory.peaks()
        finally:
            clients.close()
            collector.kill()
        if count(home) != (events, events):
            raise RuntimeError(f"{count(home)} of {events} events arrived")
    return {
        "events_a_second": events / seconds,
        "cpu_us_an_event": used / events * 1e6,
        "drained_after_seconds": drained,
        "peak_mb_first_half": first_half,
        "peak_mb_second_half": second_half,
    }


def send(clients: Clients) -> float:
    """Seconds from the first to the last acknowledgement."""
    started = 0.0
    for _ in clients:
        started = started or time.perf_counter()
    return time.perf_counter() - started


def wait_until_drained(home: Home) -> float:
    """Seconds until the spool is empty."""
    started = time.perf_counter()
    while any((home.collector / "spool").iterdir()):
        time.sleep(0.05)
    return time.perf_counter() - started


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def collection(events: int) -> list[dict[str, Any]]:
    """Both programs in turn, ROUNDS times, for each number of connections."""
    rows = []
    for connections in CONNECTIONS:
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
        for _ in range(ROUNDS):
            for name, program in PROGRAMS.items():
                rounds[name].append(collect(program, events, connections))
                print(f"{connections} connections, {name}: {rounds[name][-1]}", file=sys.stderr)
        rows += [
            {"connections": connections, "program": name, **medians(measured)}
            for name, measured in rounds.items()
        ]
    return rows


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(each[name] for each in rounds), 2) for name in rounds[0]}


def draining(events: int) -> dict[str, float]:
    """Events a second from a spool that was filled before into an empty log."""
    with fresh_home() as home:
        folder = home.collector / "spool"
        asyncio.run(fill(folder, events))
        log = EventLog(home.events)
        seconds, cpu = time.perf_counter(), time.process_time()
        while drain_once(folder, log).is_full:
            pass
        seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
        if count(home) != (events, events):
            raise RuntimeError(f"{count(home)} of {events} events arrived")
    return {
        "events_a_second": round(events / seconds),
        "cpu_us_an_event": round(cpu / events * 1e6, 2),
    }


async def fill(folder: Path, events: int) -> None:
    spool = Spool(folder, max_bytes=10**12)
    now = time.time_ns() // 1000
    properties = '{"category":"shoes","currency":"EUR","product":"thing 7","value":7.5}'
    for first in range(0, events, BATCH):
        batch = [
            MappedEvent(f"m-{n}", "Order Completed", f"u{n}", None, None, now, now, 7.5, properties)
            for n in range(first, first + BATCH)
        ]
        await spool.put(Delivery("web", now, batch, [], 0.0))
    await spool.close()


def campaign(events: int, kills: int) -> dict[str, int]:
    """What is lost and doubled when the collector is killed again and again."""
    with fresh_home() as home:
        collector = CollectorProcess(home)
        clients = Clients(collector, events, BATCH, connections=8)
        try:
            kill_under_load(collector, clients, events, kills)
            collector.stop()
        finally:
            clients.close()
            collector.kill()
        found, distinct = count(home)
    return {
        "events": events,
        "kills": kills,
        "lost": events - distinct,
        "duplicated": found - distinct,
    }


def markdown(facts: dict[str, Any]) -> str:
    """The page."""
    lines = [
        f"| connections, batches of {BATCH} | fsync | events a second | CPU µs an event "
        "| peak MB, first half | second half |",
        "|--:|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row['connections']} | {'yes' if row['program'] == 'synced' else 'no'} "
        f"| {row['events_a_second']:,.0f} | {row['cpu_us_an_event']:.1f} "
        f"| {row['peak_mb_first_half']:.0f} | {row['peak_mb_second_half']:.0f} |"
        for row in facts["collection"]
    ]
    drain, killed = facts["draining"], facts["campaign"]
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    lines += [
        "",
        "CPU is that of the collector for everything: HTTP, mapping, spool, and the drain into "
        f"the event log. Median of {facts['rounds']} rounds of {facts['events']:,} events. "
        f"Draining alone: {drain['events_a_second']:,} events a second, {drain['cpu_us_an_event']} "
        "µs CPU an event.",
    ]
    if killed:
        lines += [
            "",
            f"{killed['events']:,} events, the collector killed {killed['kills']} times with "
            f"SIGKILL: {killed['lost']} acknowledged events lost, {killed['duplicated']} doubled.",
        ]
    return "\n".join(
        [*lines, "", f"{facts['cores']} cores, Python {facts['python']}, {versions}.", ""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=500_000, help="in each load")
    parser.add_argument("--kills", type=int, default=20, help="in the campaign")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    facts: dict[str, Any] = {
        "events": options.events,
        "rounds": ROUNDS,
        "collection": collection(options.events),
        "draining": draining(options.events),
        "campaign": campaign(200_000, options.kills) if options.kills else None,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "collecting.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "collecting.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
