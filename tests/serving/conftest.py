"""A tiny real bundle, a real online store, and real server processes on free ports."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from onnx import TensorProto, helper, numpy_helper

from tidemill.bundle import INPUT_NAME, MODEL_FILE, OUTPUT_NAME, BundleMetadata, PopulationRule
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.online import open_online_writer
from tidemill_serving.cli import register

# For the builders of recommenders, which test files of this folder import.
sys.path.append(str(Path(__file__).parent))

FEATURES = ("any__days_since_last", "order__count_28d", "order__sum_28d")
WEIGHTS = np.array([[-0.05], [0.3], [0.01]], dtype=np.float32)
OBJECTIVE = "coupon-redemption"
VIEW = "user_activity"
USERS = 300
CUTOFF = 1_700_000_000_000_000
_LAUNCH = (
    "import typer; from tidemill_serving.cli import register; "
    "app = typer.Typer(); register(app); app()"
)


def vector_of(number: int) -> np.ndarray:
    """Stored features of user `u<number>`; every seventh has no order sum."""
    total = np.nan if number % 7 == 0 else 10.0 * (number % 5)
    return np.array([number % 100, number % 6, total], dtype=np.float32)


def expected_score(vector: np.ndarray, bias: float = -1.0) -> float:
    """The logistic that `write_bundle` puts into ONNX, in float64."""
    logit = np.nan_to_num(vector.astype(np.float64)) @ WEIGHTS.astype(np.float64) + bias
    return float(1 / (1 + np.exp(-logit[0])))


def metadata(**changes: Any) -> BundleMetadata:
    fields: dict[str, Any] = {
        "objective": OBJECTIVE,
        "objective_hash": "0123456789ab",
        "feature_view": VIEW,
        "features": FEATURES,
        "horizon_days": 28.0,
        "population": PopulationRule(feature=FEATURES[0], max_days=60.0),
        "base_rate": 0.04,
        "grade_thresholds": (0.9, 0.8, 0.7),
        "grade_lift": {"A": 3.0, "B": 2.0, "C": 1.0, "D": 0.3},
        "metrics": {"auc": 0.9},
        "training_cutoffs": ("2026-01-01T00:00:00+00:00",),
        "test_cutoffs": ("2026-02-01T00:00:00+00:00",),
        "data_fingerprint": "f" * 12,
        "seed": 0,
        "packages": {},
    }
    return BundleMetadata(**{**fields, **changes})


def write_bundle(folder: Path, bias: float = -1.0, **changes: Any) -> Path:
    """A logistic regression over FEATURES, a missing value counting as zero."""
    nodes = [
        helper.make_node("IsNaN", [INPUT_NAME], ["missing"]),
        helper.make_node("Where", ["missing", "zero", INPUT_NAME], ["filled"]),
        helper.make_node("Gemm", ["filled", "weights", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["column"]),
        helper.make_node("Flatten", ["column"], ["flat"], axis=1),
        helper.make_node("Squeeze", ["flat", "axis"], [OUTPUT_NAME]),
    ]
    constants = {
        "zero": np.zeros((), dtype=np.float32),
        "weights": WEIGHTS,
        "bias": np.array([bias], dtype=np.float32),
        "axis": np.array([1], dtype=np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", len(FEATURES)])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    helper.set_model_props(model, metadata(**changes).to_properties())
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / MODEL_FILE))
    return folder


def promote(home: Home, version: str, bias: float = -1.0, objective: str = OBJECTIVE) -> None:
    """Write a bundle and move `current` to it as a promotion does: in one rename."""
    served = home.served(objective)
    write_bundle(served / version, bias, objective=objective)
    point_current(home, version, objective)


def point_current(home: Home, version: str, objective: str = OBJECTIVE) -> None:
    link = home.served(objective) / "next"
    link.symlink_to(version)
    link.rename(home.served(objective) / "current")


def rows(shift: float = 0.0, cutoff: int = CUTOFF) -> Iterator[tuple[str, int, bytes]]:
    """Everybody's row, all values moved by `shift`."""
    for number in range(USERS):
        yield f"u{number}", cutoff, (vector_of(number) + np.float32(shift)).tobytes()


def fill_store(home: Home, shift: float = 0.0, cutoff: int = CUTOFF) -> None:
    writer = open_online_writer(home)
    writer.write(VIEW, FEATURES, rows(shift, cutoff))
    writer.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def column(self, name: str) -> list[Any]:
        """Values of one V2 output."""
        return next(o["data"] for o in self.json["outputs"] if o["name"] == name)


@dataclass
class Server:
    """A `tidemill serve` process."""

    home: Home
    arguments: list[str] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)

    def start(self) -> Server:
        self.home.root.mkdir(parents=True, exist_ok=True)
        self.stderr = (self.home.root / f"server-{self.port}.log").open("w+")
        ports = ["--port", str(self.port), "--grpc-port", str(self.grpc_port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, "serve", *ports, *self.arguments],
            env={**os.environ, "TIDEMILL_HOME": str(self.home.root)},
            stderr=self.stderr,
        )
        self.wait_for(lambda: self.get("/v2/health/ready").status == 200)
        return self

    def wait_for(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
            time.sleep(0.05)
        raise AssertionError(f"the server did not get there; it said:\n{self.log()}")

    def log(self) -> str:
        return Path(self.stderr.name).read_text()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        connection = self.connect()
        try:
            return exchange(connection, method, path, body, **headers)
        finally:
            connection.close()

    def get(self, path: str) -> Response:
        return self.request("GET", path)

    def infer(self, document: Any, model: str = OBJECTIVE) -> Response:
        return self.request("POST", f"/v2/models/{model}/infer", json.dumps(document))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> Response:
    """One request on an open connection. Header names are given with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    headers_got = {name.lower(): value for name, value in response.getheaders()}
    return Response(response.status, headers_got, response.read())


def users_request(*users: str, **fields: Any) -> dict[str, Any]:
    """A V2 request for stored users."""
    tensor = {"name": "user_id", "datatype": "BYTES", "shape": [len(users)], "data": list(users)}
    return {"inputs": [tensor], **fields}


def features_request(rows: list[list[Any]], **fields: Any) -> dict[str, Any]:
    """A V2 request with feature rows."""
    shape = [len(rows), len(rows[0])]
    data = [value for row in rows for value in row]
    return {
        "inputs": [{"name": "features", "datatype": "FP32", "shape": shape, "data": data}],
        **fields,
    }


def run_cli(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _LAUNCH, *arguments],
        env={**os.environ, "TIDEMILL_HOME": str(home.root), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def invoke(home: Home, *arguments: str) -> TidemillError:
    """The error a command ends in, run in this process."""
    app = typer.Typer()
    register(app)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEMILL_HOME", str(home.root))
        with pytest.raises(TidemillError) as caught:
            app(list(arguments), standalone_mode=False)
    return caught.value


@pytest.fixture(scope="session")
def kit() -> Any:
    """The helpers of this file, for the test files beside it."""
    return sys.modules[__name__]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a filled online store and version 1 promoted."""
    home = Home(tmp_path / "home")
    fill_store(home)
    promote(home, "1")
    return home


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for every test that leaves it as it was."""
    root = Path(tempfile.mkdtemp(prefix="tidemill-serving-"))
    home = Home(root)
    fill_store(home)
    promote(home, "1")
    server = Server(home).start()
    yield server
    server.process.kill()
    server.process.wait()
    shutil.rmtree(root)


@pytest.fixture
def start_server(home: Home) -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own home; they end with the test."""
    started: list[Server] = []

    def start(*arguments: str) -> Server:
        started.append(Server(home, list(arguments)).start())
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()
