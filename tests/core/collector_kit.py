"""A collector to send to: in a thread of the test for most, or as the process a user starts."""

from __future__ import annotations

import asyncio
import base64
import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from tidemill.collector.app import CollectorApp
from tidemill.collector.drain import drain_once
from tidemill.collector.limits import RateLimits, Rates
from tidemill.collector.metrics import CollectorMetrics
from tidemill.collector.sources import KeyRing, SourceFile
from tidemill.collector.spool import Spool
from tidemill.events import EventLog
from tidemill.http.edge import Edge, Limits
from tidemill.http.listening import listen

_LAUNCH = (
    "import typer; from tidemill.collector.cli import register; "
    "app = typer.Typer(); register(app); app()"
)
_LARGEST_BODY = 20 * 1024 * 1024
_DEADLINE_SECONDS = 20.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def basic(user: str) -> dict[str, str]:
    """The header of Basic authentication without a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode()}


def ask(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own; `body` may be what becomes JSON."""
    if body is not None and not isinstance(body, bytes | str):
        body = json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        got = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, got, response.read())
    finally:
        connection.close()


@contextmanager
def serving(app: Any, limits: Limits, observe: Any = lambda *_: None) -> Iterator[tuple[int, Edge]]:
    """A real server around `app` on a free port, in a thread: (port, edge)."""
    ready = threading.Event()
    found: dict[str, Any] = {}

    async def main() -> None:
        found["edge"] = edge = Edge(app, observe, limits)
        found["stop"] = stop = asyncio.Event()
        found["loop"] = asyncio.get_running_loop()
        server = await listen(edge, "127.0.0.1", 0)
        found["port"] = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        edge.close_idle(0.0)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield found["port"], found["edge"]
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join(10)


@dataclass
class Collecting:
    """A collector in a thread, and its files."""

    home: Path
    port: int
    edge: Edge
    spool: Spool
    sources: SourceFile
    ring: KeyRing
    keys: dict[str, str]

    @property
    def key(self) -> str:
        return self.keys["default"]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.port, method, path, body, named)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    def segment(self, body: Any, **headers: str) -> Answer:
        """A batch under the key of `default`."""
        return self.post("/v1/batch", body, **basic(self.key), **headers)

    def log(self) -> Any:
        """A connection to the event log, once everything acknowledged is in it."""
        log = EventLog(self.home / "events")
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while self.spool.waiting().bytes:
            drain_once(self.home / "spool", log)
            assert time.monotonic() < deadline, "the spool does not become empty"
            time.sleep(0.02)
        return log.connect(threads=1)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.log().execute(query).fetchall()


@contextmanager
def collecting(
    home: Path,
    rates: Rates = Rates(),  # noqa: B008  # frozen
    limits: Limits = Limits(body_bytes=_LARGEST_BODY),  # noqa: B008  # frozen
    sources: tuple[str, ...] = ("default",),
    spool_bytes: int = 1 << 30,
) -> Iterator[Collecting]:
    """The collector as its server wires it, less the drain, which the test turns."""
    file = SourceFile(home / "sources.json")
    keys = {name: file.add(name) for name in sources}
    ring = KeyRing(file)
    spool = Spool(home / "spool", spool_bytes)
    metrics = CollectorMetrics()
    app = CollectorApp(ring, RateLimits(rates), spool, metrics, dict)
    with serving(app, limits, app.observe) as (port, edge):
        yield Collecting(home, port, edge, spool, file, ring, keys)
    asyncio.run(spool.close())


@dataclass
class Process:
    """A `tidemill collect` process with a key of its own."""

    root: Path
    arguments: list[str] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def start(self) -> Process:
        self.root.mkdir(parents=True, exist_ok=True)
        self._out = (self.root / "stdout").open("w+")
        self._err = (self.root / "stderr").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, "collect", "--port", str(self.port), *self.arguments],
            env={**os.environ, "TIDEMILL_HOME": str(self.root)},
            stdout=self._out,
            stderr=self._err,
        )
        self.wait_for(lambda: ask(self.port, "GET", "/ready").status == 200)
        return self

    def wait_for(self, condition: Any, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
            time.sleep(0.05)
        raise AssertionError(f"the collector did not get there; it said:\n{self.said()}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """What the first start printed."""
        return (self.root / "stdout").read_text().strip()

    def said(self) -> str:
        return (self.root / "stderr").read_text()

    def stop(self) -> int:
        """End it as a cluster would; then everything acknowledged is in the event log."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()

    def log(self) -> Any:
        return EventLog(self.root / "events").connect(threads=1)


def track(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A Segment message."""
    return {
        "type": "track",
        "event": "opened",
        "userId": f"u{number}",
        "messageId": f"m{number}",
        **fields,
    }


def bomb(megabytes: int) -> bytes:
    """Gzip of that many megabytes of blanks."""
    return gzip.compress(b" " * (megabytes * 1024 * 1024))
