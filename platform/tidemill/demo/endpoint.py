"""The server as its clients see it: a process, an address, and the V2 protocol."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tidemill.demo.shell import environment
from tidemill.errors import TidemillError
from tidemill.home import Home

_START_SECONDS = 60.0
_SETTLE_SECONDS = 3.0
_BATCH = 500


class Endpoint:
    """Talks to a running server about one objective."""

    def __init__(self, port: int, objective: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._objective = objective

    def settle(self) -> None:
        """Let the server see a changed online store: it looks once a second, then grades anew."""
        time.sleep(_SETTLE_SECONDS)

    def score_everybody(self, users: Sequence[str]) -> Counter[str]:
        """Ask for all users over V2 REST, in batches; returns how many got each grade."""
        grades: Counter[str] = Counter()
        for start in range(0, len(users), _BATCH):
            batch = list(users[start : start + _BATCH])
            tensor = {"name": "user_id", "datatype": "BYTES", "shape": [len(batch)], "data": batch}
            answer = self.post(f"/v2/models/{self._objective}/infer", {"inputs": [tensor]})
            columns = {output["name"]: output["data"] for output in answer["outputs"]}
            grades.update(columns["grade"])
        return grades

    def predict(self, users: Sequence[str]) -> list[dict[str, Any]]:
        """The same over V1, the protocol for curl."""
        answer = self.post(f"/v1/models/{self._objective}:predict", {"instances": list(users)})
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310  # our own loopback address
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # the same
            return json.load(response)

    def version(self) -> str:
        """Version of the model that answers now."""
        return str(self.predict(["nobody"])[0]["model_version"])

    def is_ready(self) -> bool:
        try:
            url = f"{self.url}/v2/models/{self._objective}/ready"
            with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310  # loopback
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def running_server(home: Home, objective: str) -> Iterator[Endpoint]:
    """`tidemill serve` on free ports of loopback; stopped at the end, whatever happens."""
    port, grpc_port = _free_port(), _free_port()
    command = [sys.executable, "-m", "tidemill.cli", "serve", objective]
    command += ["--port", str(port), "--grpc-port", str(grpc_port)]
    log = home.root / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment(home), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        endpoint = Endpoint(port, objective)
        _wait(process, endpoint, str(log))
        yield endpoint
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], endpoint: Endpoint, log: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not endpoint.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TidemillError(
                f"the server did not get ready within {_START_SECONDS:.0f} s", hint=f"see {log}"
            )
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
