"""`make bench-ingest`, third part: seconds from an event to a changed prediction.

Protocol: the sample, moved to end in this week, and the champion that `tidemill train` makes of it.
Then three processes run as anybody would run them: `tidemill collect`, `tidemill features follow`
and `tidemill serve`. For one user after another the score is asked for, one event of that user is
sent to the collector over HTTP in Segment's form, and the score is asked for every 10 ms until it
is another; measured is the time from the sending of the event to that answer. Pauses between users
are random, so that events meet the collector's drain (every second) at any moment. The same again
with copies of all users in the log. Also measured, in one process: how long the follower takes for
one commit with events of 1, 10, 100 and 1,000 users, median of five.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from tidemill.events import EventLog
from tidemill.events.schema import EVENTS
from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill.sample.examples import example_objective
from tidemill_features.catalog import FEATURE_VIEW, load_catalog
from tidemill_features.follower import Follower

ROOT = Path(__file__).parent.parent
OBJECTIVE = "coupon-redemption"
EVENT = "order_completed"
TIDEMILL = (sys.executable, "-m", "tidemill.cli")
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.01
PUSHED_USERS = (1, 10, 100, 1_000)
REPEATS = 5
PACKAGES = ("tidemill", "duckdb", "deltalake", "pyarrow")


def prepare(home: Home) -> str:
    """Fill the log, train a champion, and add a source; its write key."""
    tidemill(home, "events", "sample", "--recent")
    tidemill(home, "train", str(example_objective(OBJECTIVE)))
    return str(json.loads(tidemill(home, "sources", "add", "bench", "--json"))["write_key"])


def tidemill(home: Home, *arguments: str) -> bytes:
    done = subprocess.run(
        [*TIDEMILL, *arguments], env=environment(home), stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def environment(home: Home) -> dict[str, str]:
    return {**os.environ, "TIDEMILL_HOME": str(home.root), "COLUMNS": "120"}


def multiply(log: EventLog, copies: int) -> None:
    """Add the log's events again for `copies` - 1 times as many users."""
    with log.connect() as con:
        columns = ", ".join(EVENTS.names)
        events = con.execute(f"SELECT {columns} FROM events").to_arrow_table().cast(EVENTS)
    for copy in range(1, copies):
        log.append(renamed(events, f"-{copy}"))


def renamed(events: pa.Table, suffix: str) -> pa.Table:
    for name in ("event_id", "user_id"):
        texts = pc.binary_join_element_wise(events.column(name), suffix, "")
        at = events.schema.get_field_index(name)
        events = events.set_column(at, EVENTS.field(name), texts)
    return events


def known_users(home: Home) -> list[str]:
    """Everybody in the store, shuffled."""
    users = open_online_reader(home, FEATURE_VIEW, load_catalog(home).names[:1]).entities()
    random.Random(0).shuffle(users)  # noqa: S311  # a draw, not a secret
    return users


def push_seconds(home: Home, users: list[str]) -> dict[str, float]:
    """Median seconds of the follower for a commit with events of so many users."""
    follower, log, numbers = Follower(home, print), EventLog(home.events), count()
    found = {}
    for size in PUSHED_USERS:
        spent = []
        for _ in range(REPEATS):
            log.append(events_now(users[:size], numbers))
            started = time.perf_counter()
            follower.step(datetime.now(UTC))
            while not follower.is_idle:
                follower.step(datetime.now(UTC))
            spent.append(time.perf_counter() - started)
        found[str(size)] = round(median(spent), 3)
    return found


def events_now(users: list[str], numbers: Iterator[int]) -> pa.Table:
    now, none = datetime.now(UTC), [None] * len(users)
    columns = {
        "event_id": [f"bench-{next(numbers)}" for _ in users],
        "name": [EVENT] * len(users),
        "user_id": users,
        "timestamp": [now] * len(users),
        "received_at": [now] * len(users),
        "properties": ["{}"] * len(users),
    }
    return pa.table({name: columns.get(name, none) for name in EVENTS.names}, schema=EVENTS)


@contextmanager
def process(home: Home, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (home.root / f"{arguments[0]}.log").open("wb") as log:
        running = subprocess.Popen([*TIDEMILL, *arguments], env=environment(home), stderr=log)
        try:
            yield running
        finally:
            running.terminate()
            running.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if is_so():
                return
        except OSError:
            pass  # nobody listens yet
        time.sleep(POLL_SECONDS)
    sys.exit(f"{what} did not happen within {PATIENCE_SECONDS:.0f} s")


def post(port: int, path: str, document: Any, **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        "POST", path, json.dumps(document), {"Content-Type": "application/json", **headers}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 200, body
    return json.loads(body)


def score_of(port: int, user: str) -> float:
    answer = post(port, f"/v1/models/{OBJECTIVE}:predict", {"instances": [user]})
    return float(answer["predictions"][0]["score"])


def change_seconds(home: Home, key: str, users: list[str]) -> list[float]:
    """For each user, seconds from the sending of an event to another score."""
    collect, serve = free_port(), free_port()
    with ExitStack() as stack:
        stack.enter_context(process(home, "collect", f"--port={collect}"))
        stack.enter_context(process(home, "features", "follow"))
        stack.enter_context(process(home, "serve", OBJECTIVE, f"--port={serve}", "--grpc-port=0"))
        wait_for(lambda: score_of(serve, users[0]) >= 0, "the first answer")
        wait_for(lambda: send(collect, key, users[-1]), "the first event")
        time.sleep(5)
        return [one_change(collect, serve, key, user) for user in users[:-1]]


def one_change(collect: int, serve: int, key: str, user: str) -> float:
    time.sleep(random.uniform(0, 1))  # noqa: S311  # a pause, not a secret
    before = score_of(serve, user)
    started = time.perf_counter()
    send(collect, key, user)
    wait_for(lambda: score_of(serve, user) != before, f"a change of the score of '{user}'")
    return time.perf_counter() - started


def send(port: int, key: str, user: str) -> bool:
    now = datetime.now(UTC).isoformat()
    event = {"type": "track", "event": EVENT, "userId": user, "messageId": str(uuid4())}
    basic = base64.b64encode(f"{key}:".encode()).decode()
    document = {**event, "timestamp": now, "sentAt": now, "properties": {}}
    post(port, "/v1/track", document, Authorization=f"Basic {basic}")
    return True


def measure(home: Home, key: str, events: int) -> dict[str, Any]:
    """All numbers of one log."""
    tidemill(home, "features", "follow", "--once")
    with EventLog(home.events).connect() as con:
        rows = con.execute("SELECT COUNT(*), COUNT(DISTINCT user_id) FROM events").fetchall()[0]
    users = known_users(home)
    spent = change_seconds(home, key, users[: events + 1])
    cuts = quantiles(spent, n=100, method="inclusive")
    return {
        "log_events": rows[0],
        "log_users": rows[1],
        "changes": len(spent),
        "p50_seconds": round(cuts[49], 2),
        "p90_seconds": round(cuts[89], 2),
        "p99_seconds": round(cuts[98], 2),
        "longest_seconds": round(max(spent), 2),
        "push_seconds": push_seconds(home, users),
    }


def markdown(facts: dict[str, Any]) -> str:
    """The page."""
    runs = facts["runs"]
    heads = [
        f"{run['log_events'] / 1e6:.1f} M events of {run['log_users']:,} users" for run in runs
    ]
    names = [
        ("events sent, one at a time", "changes", "{:,}"),
        ("event to changed prediction, median", "p50_seconds", "{:.2f} s"),
        ("90th percentile", "p90_seconds", "{:.2f} s"),
        ("99th percentile", "p99_seconds", "{:.2f} s"),
        ("longest", "longest_seconds", "{:.2f} s"),
    ]
    rows = [(words, [form.format(run[key]) for run in runs]) for words, key, form in names]
    for size in PUSHED_USERS:
        spent = [f"{run['push_seconds'][str(size)]:.2f} s" for run in runs]
        rows.append((f"a push of {size:,} user{'s' * (size > 1)}", spent))
    table = "\n".join(f"| {words} | {' | '.join(cells)} |" for words, cells in rows)
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    return (
        f"| {facts['features']:,} features | {' | '.join(heads)} |\n"
        f"|---|{'--:|' * len(runs)}\n{table}\n\n"
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {versions}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200, help="Events to send to each log.")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 6], help="Sizes of the log.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidemill-freshness-") as folder:
        trained = Home(Path(folder) / "trained")
        key = prepare(trained)
        facts: dict[str, Any] = {"features": len(load_catalog(trained).names), "runs": []}
        for copies in options.copies:
            home = Home(Path(folder) / str(copies))
            shutil.copytree(trained.root, home.root, symlinks=True)
            multiply(EventLog(home.events), copies)
            facts["runs"].append(measure(home, key, options.events))
            shutil.rmtree(home.root)
    facts["versions"] = {name: version(name) for name in PACKAGES}
    (options.out / "freshness.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "freshness.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
