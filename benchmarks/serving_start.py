"""Seconds from the start of `tidemill serve` to its first ready answer, with a 10 MB model.

    python benchmarks/serving_start.py      # in this environment; image_sizes.py asks in serving's

The median of five starts, files in the page cache, and the resident memory after the last.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from tidemill.bundle import INPUT_NAME, MODEL_FILE, OUTPUT_NAME, BundleMetadata, PopulationRule
from tidemill.home import Home

NAME = "start"
VIEW = "user_activity"
FEATURES = tuple(f"signal_{number}__count_28d" for number in range(600))
WIDTHS = (len(FEATURES), 2_000, 640, 1)
PORT = 18_480
STARTS = 5
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Start:
    """What a start took."""

    seconds: float
    memory: int
    """Resident bytes once ready."""
    model: int
    """Bytes of the model file."""


def measure_start(python: Path) -> Start:
    """Start the server of the environment that `python` belongs to, several times."""
    with tempfile.TemporaryDirectory(prefix="tidemill-start-") as folder:
        home = Home(Path(folder))
        model = write_bundle(home.served(NAME) / "1")
        starts = [_start(python, home, model.parent) for _ in range(STARTS)]
        seconds = statistics.median(taken for taken, _ in starts)
        return Start(seconds, starts[-1][1], model.stat().st_size)


def write_bundle(folder: Path) -> Path:
    """A dense network whose weights fill about 10 MB."""
    rng = np.random.default_rng(0)
    constants = {"axis": np.array([1], np.int64), "zero": np.zeros((), np.float32)}
    nodes = [
        helper.make_node("IsNaN", [INPUT_NAME], ["missing"]),
        helper.make_node("Where", ["missing", "zero", INPUT_NAME], ["layer0"]),
    ]
    for at, shape in enumerate(pairwise(WIDTHS)):
        constants[f"w{at}"] = (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)
        nodes.append(helper.make_node("MatMul", [f"layer{at}", f"w{at}"], [f"sum{at}"]))
        nodes.append(helper.make_node("Sigmoid", [f"sum{at}"], [f"layer{at + 1}"]))
    nodes.append(helper.make_node("Squeeze", [f"layer{len(WIDTHS) - 1}", "axis"], [OUTPUT_NAME]))
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", WIDTHS[0]])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    helper.set_model_props(model, _metadata().to_properties())
    folder.mkdir(parents=True)
    onnx.save(model, str(folder / MODEL_FILE))
    return folder / MODEL_FILE


def _metadata() -> BundleMetadata:
    return BundleMetadata(
        objective=NAME,
        objective_hash="0" * 12,
        feature_view=VIEW,
        features=FEATURES,
        horizon_days=28,
        population=PopulationRule(feature=FEATURES[0], max_days=60),
        base_rate=0.05,
        grade_thresholds=(0.9, 0.8, 0.7),
        grade_lift={},
        metrics={},
        training_cutoffs=(),
        test_cutoffs=(),
        data_fingerprint="0" * 12,
        seed=0,
        packages={},
    )


def _start(python: Path, home: Home, bundle: Path) -> tuple[float, int]:
    """Seconds until ready, and resident bytes then."""
    serve = [str(python.parent / "tidemill"), "serve", f"--model-dir={bundle}"]
    options = [f"--model-name={NAME}", f"--port={PORT}", f"--grpc-port={PORT + 1}"]
    environment = {**os.environ, "TIDEMILL_HOME": str(home.root)}
    begun = time.perf_counter()
    with subprocess.Popen([*serve, *options], env=environment, stderr=subprocess.PIPE) as server:
        try:
            _wait_until_ready(server)
            return time.perf_counter() - begun, psutil.Process(server.pid).memory_info().rss
        finally:
            server.terminate()


def _wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    url = f"http://127.0.0.1:{PORT}/v2/health/ready"
    for _ in range(PATIENCE_SECONDS * 50):
        if server.poll() is not None:
            assert server.stderr is not None
            sys.exit(f"the server ended: {server.stderr.read().decode()}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    sys.exit(f"the server was not ready within {PATIENCE_SECONDS} s")


def sentence(start: Start) -> str:
    """The measurement in words."""
    return (
        f"With a model of {start.model / 1e6:.1f} MB, `tidemill serve` was ready "
        f"{start.seconds:.1f} s after its start and then held {start.memory / 1e6:.0f} MB."
    )


if __name__ == "__main__":
    print(sentence(measure_start(Path(sys.executable))))
