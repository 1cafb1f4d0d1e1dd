"""A collector process to kill, and clients that send every event until it is acknowledged.

    python collector_load.py PORT KEY FIRST EVENTS BATCH CONNECTIONS

sends `EVENTS` events whose ids are numbers from FIRST, as batches of Segment's protocol over
connections that are kept alive, and writes the number of acknowledged events to stdout as it grows.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress

from tidemill.collector.sources import SourceFile
from tidemill.home import Home

_NO_LIMIT = "1000000"
COLLECT = (
    *("-m", "tidemill.cli", "collect"),
    *("--requests-per-second", _NO_LIMIT, "--events-per-second", _NO_LIMIT),
)
_EVENT = (
    '{"type":"track","event":"Order Completed","messageId":"m-%d","userId":"u%d",'
    '"timestamp":"%s","context":{"library":{"name":"load","version":"1"}},'
    '"properties":{"value":%d.5,"currency":"EUR","product":"thing %d","category":"shoes"}}'
)


class CollectorProcess:
    """`tidemill collect` on a free port of loopback."""

    def __init__(self, home: Home, program: tuple[str, ...] = COLLECT) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.key = SourceFile(home.collector / "sources.json").add("web")
        self._home = home
        self._program = program

    def start(self) -> None:
        """Returns when connections are accepted."""
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        environment = {**os.environ, "TIDEMILL_HOME": str(self._home.root)}
        with (self._home.root / "collector.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._program, *where], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.02)
        raise RuntimeError((self._home.root / "collector.log").read_text()[-2000:])

    def kill(self) -> None:
        """As the out-of-memory killer does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Kubernetes does; what was acknowledged is in the event log afterwards."""
        self.process.terminate()
        self.process.wait(120)


class Clients:
    """A process of clients. Iterating gives the count of acknowledged events until all are."""

    def __init__(
        self, collector: CollectorProcess, events: int, batch: int, connections: int, first: int = 0
    ) -> None:
        numbers = (collector.port, collector.key, first, events, batch, connections)
        command = [sys.executable, __file__, *map(str, numbers)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __iter__(self) -> Iterator[int]:
        assert self._process.stdout is not None
        yield from map(int, self._process.stdout)
        if self._process.wait():
            raise RuntimeError("the clients failed")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def kill_under_load(collector: CollectorProcess, clients: Clients, events: int, kills: int) -> None:
    """Kill and restart the collector `kills` times while `events` are sent to it."""
    collector.start()
    killed = 0
    for acknowledged in clients:
        if killed < kills and acknowledged >= events * (killed + 1) / (kills + 1):
            collector.kill()
            killed += 1
            collector.start()
    if killed < kills:
        raise RuntimeError(f"all was acknowledged after {killed} kills")


class _Connection:
    """One that is kept alive, and opened again when it breaks."""

    def __init__(self, port: int, key: str) -> None:
        self._address = ("127.0.0.1", port)
        credentials = b64encode(f"{key}:".encode()).decode()
        self._head = (
            "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Basic {credentials}\r\nContent-Length: "
        )
        self._wire: socket.socket | None = None

    def deliver(self, body: bytes) -> None:
        """Until it is acknowledged, whatever happens to the other side."""
        while True:
            try:
                status = self._send(body)
            except OSError:
                self._wire = None
                time.sleep(0.01)
                continue
            if status == 200:
                return
            if status not in (429, 503):
                raise RuntimeError(f"the collector answered {status}")
            time.sleep(0.1)

    def _send(self, body: bytes) -> int:
        if self._wire is None:
            self._wire = socket.create_connection(self._address)
            self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wire.sendall(f"{self._head}{len(body)}\r\n\r\n".encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive(self._wire)
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(rest) < length:
            rest += self._receive(self._wire)
        return int(head.split(b" ", 2)[1])

    @staticmethod
    def _receive(wire: socket.socket) -> bytes:
        data = wire.recv(65_536)
        if not data:
            raise ConnectionError("closed")
        return data


def _body(first: int, count: int) -> bytes:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    numbers = range(first, first + count)
    events = (_EVENT % (n, n % 5_000, now, n % 100, n % 700) for n in numbers)
    return f'{{"sentAt":"{now}","batch":[{",".join(events)}]}}'.encode()


def _send_all(port: int, key: str, first: int, events: int, batch: int, connections: int) -> None:
    starts = iter(range(first, first + events, batch))
    turn = threading.Lock()
    acknowledged = 0

    def run() -> None:
        nonlocal acknowledged
        connection = _Connection(port, key)
        while True:
            with turn:
                start = next(starts, None)
            if start is None:
                return
            count = min(batch, first + events - start)
            connection.deliver(_body(start, count))
            with turn:
                acknowledged += count
                print(acknowledged, flush=True)

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if acknowledged != events:
        raise SystemExit(f"{acknowledged} of {events} were acknowledged")


if __name__ == "__main__":
    _send_all(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:7]))
