"""CPU time of one prediction: Tidemill, the KServe SDK's server, FastAPI, and the bare model.

    python benchmarks/serving.py            # writes docs/benchmarks/serving.{json,md}

One machine, loopback, warm, one run. Every server loads the same ONNX file (a dense network over
600 raw features) with the same session options; 8 closed-loop connections send prebuilt requests
from another process, and the server's own CPU time (user and system, children included) is
divided by the number of requests. Rounds are interleaved and the median is reported, because other
work on the machine moves CPU time through its caches.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from bare_bundle import bare_metadata
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from serving_rivals import MODEL_NAME, open_session

from tidemill.bundle import INPUT_NAME, MODEL_FILE, OUTPUT_NAME
from tidemill.home import Home
from tidemill.online import open_online_writer

SEED = 7
FEATURES = tuple(f"signal_{number}__count_28d" for number in range(600))
HIDDEN = (64, 32)
USERS = 5_000
CONNECTIONS = 8
ROUNDS = 3
REQUESTS = {1: 2_000, 128: 100}
RIVALS = ("kserve", "kserve-quiet", "fastapi")
VARIETY = 32
"""Different requests in rotation, so that nothing is answered from a cache."""
REPORT = Path(__file__).parents[1] / "docs" / "benchmarks"
PACKAGES = (
    "tidemill",
    "httptools",
    "uvloop",
    "onnxruntime",
    "kserve",
    "fastapi",
    "uvicorn",
    "orjson",
    "pysimdjson",
    "numpy",
)
LAUNCH = (
    "import typer; from tidemill_serving.cli import register; "
    "app = typer.Typer(); register(app); app()"
)


@dataclass(frozen=True)
class Wire:
    """How one variant speaks: the port it talks to and its prebuilt requests, per batch size."""

    name: str
    server: str
    port: int
    requests: dict[int, list[bytes]]
    grpc: bool = False


def write_model(folder: Path) -> Path:
    """Scaling, two hidden layers and a sigmoid over raw values, missing ones counting as zero."""
    rng = np.random.default_rng(SEED)
    constants = {"zero": np.zeros((), np.float32), "axis": np.array([1], np.int64)}
    constants["mean"] = rng.normal(size=len(FEATURES)).astype(np.float32)
    constants["scale"] = rng.uniform(0.5, 2.0, size=len(FEATURES)).astype(np.float32)
    nodes = [
        helper.make_node("IsNaN", [INPUT_NAME], ["missing"]),
        helper.make_node("Where", ["missing", "zero", INPUT_NAME], ["filled"]),
        helper.make_node("Sub", ["filled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["layer0"]),
    ]
    widths = (len(FEATURES), *HIDDEN, 1)
    for at in range(3):
        weights = rng.normal(size=(widths[at], widths[at + 1])) / np.sqrt(widths[at])
        constants[f"w{at}"] = weights.astype(np.float32)
        constants[f"b{at}"] = np.zeros(widths[at + 1], np.float32)
        last = at == 2
        nodes += [
            helper.make_node("Gemm", [f"layer{at}", f"w{at}", f"b{at}"], [f"sum{at}"]),
            helper.make_node("Sigmoid" if last else "Relu", [f"sum{at}"], [f"layer{at + 1}"]),
        ]
    nodes.append(helper.make_node("Squeeze", ["layer3", "axis"], [OUTPUT_NAME]))
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", widths[0]])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    helper.set_model_props(model, bare_metadata(MODEL_NAME, FEATURES).to_properties())
    folder.mkdir(parents=True)
    onnx.save(model, str(folder / MODEL_FILE))
    return folder / MODEL_FILE


def fill_store(home: Home) -> NDArray[np.float32]:
    """Random vectors of users `u0`...; returned as [users, features]."""
    vectors = np.random.default_rng(SEED + 1).normal(size=(USERS, len(FEATURES)))
    vectors = np.round(vectors, 4).astype(np.float32)
    writer = open_online_writer(home)
    rows = ((f"u{number}", 1, vector.tobytes()) for number, vector in enumerate(vectors))
    writer.write("user_activity", FEATURES, rows)
    writer.close()
    return vectors


def features_tensor(rows: NDArray[np.float32]) -> dict[str, Any]:
    shape = list(rows.shape)
    return {"name": "features", "datatype": "FP32", "shape": shape, "data": rows.ravel().tolist()}


def users_tensor(users: list[str]) -> dict[str, Any]:
    return {"name": "user_id", "datatype": "BYTES", "shape": [len(users)], "data": users}


def post(path: str, body: bytes, extra: str = "") -> bytes:
    """A whole HTTP request."""
    kind = "" if "Content-Type" in extra else "Content-Type: application/json\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{kind}{extra}Content-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def post_json(path: str, tensor: dict[str, Any]) -> bytes:
    return post(path, json.dumps({"inputs": [tensor]}).encode())


def post_binary(path: str, rows: NDArray[np.float32]) -> bytes:
    tensor = features_tensor(rows[:0]) | {"shape": list(rows.shape)}
    tensor["parameters"] = {"binary_data_size": rows.nbytes}
    del tensor["data"]
    document = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(document).encode()
    extra = (
        "Content-Type: application/octet-stream\r\n"
        f"Inference-Header-Content-Length: {len(head)}\r\n"
    )
    return post(path, head + rows.tobytes(), extra)


def grpc_message(rows: NDArray[np.float32]) -> bytes:
    from tidemill_serving import open_inference_pb2 as pb  # clashes with kserve's

    message = pb.ModelInferRequest(model_name=MODEL_NAME, raw_input_contents=[rows.tobytes()])
    message.inputs.add(name="features", datatype="FP32", shape=list(rows.shape))
    return bytes(message.SerializeToString())


def build_wires(vectors: NDArray[np.float32], ports: dict[str, int]) -> list[Wire]:
    """Every variant with its requests; all variants of one row send the same users or rows."""
    infer = f"/v2/models/{MODEL_NAME}/infer"

    def each(build: Callable[[NDArray[np.intp]], bytes]) -> dict[int, list[bytes]]:
        rng = np.random.default_rng(SEED + 2)
        return {
            batch: [build(rng.choice(USERS, batch, replace=False)) for _ in range(VARIETY)]
            for batch in REQUESTS
        }

    def rows(path: str) -> dict[int, list[bytes]]:
        return each(lambda chosen: post_json(path, features_tensor(vectors[chosen])))

    def users(path: str) -> dict[int, list[bytes]]:
        return each(lambda chosen: post_json(path, users_tensor([f"u{n}" for n in chosen])))

    tidemill, fastapi = ports["tidemill"], ports["fastapi"]
    return [
        Wire("Tidemill, V2 JSON, features given", "tidemill", tidemill, rows(infer)),
        Wire("KServe SDK, V2 JSON, features given", "kserve", ports["kserve"], rows(infer)),
        Wire("KServe SDK, logs off", "kserve-quiet", ports["kserve-quiet"], rows(infer)),
        Wire("FastAPI + orjson, features given", "fastapi", fastapi, rows("/features")),
        Wire("Tidemill, V2 JSON, user ids looked up", "tidemill", tidemill, users(infer)),
        Wire("FastAPI + orjson, user ids looked up", "fastapi", fastapi, users("/users")),
        Wire(
            "Tidemill, V2 binary, features given",
            "tidemill",
            tidemill,
            each(lambda chosen: post_binary(infer, vectors[chosen])),
        ),
        Wire(
            "Tidemill, V2 gRPC, features given",
            "tidemill",
            ports["grpc"],
            each(lambda chosen: grpc_message(vectors[chosen])),
            grpc=True,
        ),
    ]


def http_caller(port: int) -> Callable[[bytes], bytes]:
    """One kept-alive connection; the call returns the body of a 200 or raises."""
    wire = socket.create_connection(("127.0.0.1", port))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(request: bytes) -> bytes:
        wire.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += _receive(wire)
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(data[:500])
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += _receive(wire)
        return body

    return call


def _receive(wire: socket.socket) -> bytes:
    data = wire.recv(65_536)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data


def grpc_caller(port: int) -> Callable[[bytes], bytes]:
    import grpc

    channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
    call: Callable[[bytes], bytes] = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer"
    )
    return call


def drive(wire: Wire, batch: int, count: int, failed: Any) -> None:
    """Send `count` requests over CONNECTIONS connections, each waiting for its answer."""

    def loop(first: int) -> None:
        try:
            call = (grpc_caller if wire.grpc else http_caller)(wire.port)
            requests = wire.requests[batch]
            for number in range(first, count, CONNECTIONS):
                call(requests[number % VARIETY])
        except Exception as error:  # told by the main thread; a thread cannot fail the run
            failed.put(repr(error))

    threads = [threading.Thread(target=loop, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(wire: Wire, batch: int, count: int, process: psutil.Process) -> float:
    """CPU microseconds of the server for one request."""
    context = multiprocessing.get_context("fork" if not wire.grpc else "spawn")
    failed = context.Queue()
    before = cpu_seconds(process)
    client = context.Process(target=drive, args=(wire, batch, count, failed))
    client.start()
    client.join()
    if not failed.empty():
        raise RuntimeError(f"{wire.name}: {failed.get()}")
    return (cpu_seconds(process) - before) / count * 1e6


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its living children."""
    family = [process, *process.children(recursive=True)]
    return sum(times.user + times.system for times in (one.cpu_times() for one in family))


def limit(model: Path, vectors: NDArray[np.float32], batch: int) -> float:
    """CPU microseconds of the bare session.run, the least any server can do."""
    session = open_session(str(model))
    rounds = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for number in range(REQUESTS[batch]):
            first = number * batch % (USERS - batch)
            session.run([OUTPUT_NAME], {INPUT_NAME: vectors[first : first + batch]})
        rounds.append((time.process_time() - before) / REQUESTS[batch] * 1e6)
    return statistics.median(rounds)


@contextmanager
def started(command: list[str], home: Home, port: int) -> Iterator[psutil.Process]:
    """A server process that accepts connections on `port`; killed at the end."""
    environment = {**os.environ, "TIDEMILL_HOME": str(home.root)}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *command], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            time.sleep(1.0)
            return
    raise RuntimeError(f"{process.args!r} did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_scores(wires: list[Wire], model: Path, vectors: NDArray[np.float32]) -> None:
    """Every JSON server must answer its first request with the model's own scores."""
    chosen = np.random.default_rng(SEED + 2).choice(USERS, 1, replace=False)
    wanted = open_session(str(model)).run([OUTPUT_NAME], {INPUT_NAME: vectors[chosen]})[0]
    for wire in wires:
        if wire.grpc or "binary" in wire.name:
            continue
        document = json.loads(http_caller(wire.port)(wire.requests[1][0]))
        score = next(o["data"] for o in document["outputs"] if o["name"] == OUTPUT_NAME)
        np.testing.assert_allclose(score, wanted, atol=1e-6)


def run_rounds(
    wires: list[Wire], processes: dict[str, psutil.Process]
) -> dict[tuple[str, int], list[float]]:
    """All variants one after the other, ROUNDS times; warm-up rounds are not kept."""
    measured: dict[tuple[str, int], list[float]] = {}
    for number in range(-1, ROUNDS):
        for batch, count in REQUESTS.items():
            for wire in wires:
                asked = count if number >= 0 else max(VARIETY, count // 5)
                cost = measure(wire, batch, asked, processes[wire.server])
                if number >= 0:
                    measured.setdefault((wire.name, batch), []).append(cost)
                print(f"round {number + 1}: {wire.name}, batch {batch}: {cost:.0f} us")
    return measured


def run(folder: Path) -> dict[str, Any]:
    """The whole comparison; returns the facts for the report."""
    home = Home(folder)
    model = write_model(home.served(MODEL_NAME) / "1")
    (model.parents[1] / "current").symlink_to("1")
    vectors = fill_store(home)
    ports = {name: free_port() for name in ("tidemill", "grpc", *RIVALS)}
    tidemill = ["--port", str(ports["tidemill"]), "--grpc-port", str(ports["grpc"])]
    commands = {"tidemill": ["-c", LAUNCH, "serve", *tidemill]}
    for rival in RIVALS:
        files = ["--model", str(model), "--store", str(home.online_store)]
        script = str(Path(__file__).with_name("serving_rivals.py"))
        commands[rival] = [script, rival, *files, "--port", str(ports[rival])]
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(started(command, home, ports[name]))
            for name, command in commands.items()
        }
        wires = build_wires(vectors, ports)
        check_scores(wires, model, vectors)
        measured = run_rounds(wires, processes)
    return summarize(measured, {batch: limit(model, vectors, batch) for batch in REQUESTS})


def summarize(
    measured: dict[tuple[str, int], list[float]], limits: dict[int, float]
) -> dict[str, Any]:
    """Medians and ratios. FastAPI's ratio compares like with like: looked up or given."""
    cost = {key: statistics.median(rounds) for key, rounds in measured.items()}
    rows = []
    for (name, batch), value in cost.items():
        looked_up = "looked up" in name
        fastapi = f"FastAPI + orjson, {'user ids looked up' if looked_up else 'features given'}"
        rows.append(
            {
                "variant": name,
                "batch": batch,
                "cpu_us": round(value, 1),
                "rounds_us": [round(one, 1) for one in measured[name, batch]],
                "kserve_over_this": round(
                    cost["KServe SDK, V2 JSON, features given", batch] / value, 2
                ),
                "quiet_kserve_over_this": round(cost["KServe SDK, logs off", batch] / value, 2),
                "fastapi_over_this": round(cost[fastapi, batch] / value, 2),
                "this_over_limit": round(value / limits[batch], 2),
            }
        )
    return {
        "seed": SEED,
        "features": len(FEATURES),
        "hidden": HIDDEN,
        "connections": CONNECTIONS,
        "rounds": ROUNDS,
        "requests_a_round": REQUESTS,
        "session_run_us": {batch: round(value, 1) for batch, value in limits.items()},
        "rows": rows,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def markdown(facts: dict[str, Any]) -> str:
    """The table for the documentation."""
    lines = [
        "| variant | batch | CPU µs a request | KServe SDK | KServe SDK, logs off | FastAPI "
        "| above session.run |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row['variant']} | {row['batch']} | {row['cpu_us']:.0f} | "
        f"{row['kserve_over_this']:.1f} x | {row['quiet_kserve_over_this']:.1f} x | "
        f"{row['fastapi_over_this']:.2f} x | {row['this_over_limit']:.1f} x |"
        for row in sorted(facts["rows"], key=lambda row: int(row["batch"]))
    ]
    limits = ", ".join(
        f"{value:.0f} µs at batch {batch}" for batch, value in facts["session_run_us"].items()
    )
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return "\n".join(
        [
            *lines,
            "",
            "The rival columns say how many times the CPU of the row that server takes: KServe for "
            "the same rows as V2 JSON, FastAPI for the same question (rows given, or user ids "
            "looked up). Tidemill validates, grades and logs every prediction in every row of the "
            f"table; the rivals do none of it. `session.run` alone: {limits}.",
            "",
            f"{facts['features']} features, seed {facts['seed']}, {facts['connections']} "
            f"connections, median of {facts['rounds']} rounds, Python {facts['python']}, "
            f"{versions}.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=REPORT, help="folder of the report")
    out = parser.parse_args().out
    folder = Path(tempfile.mkdtemp(prefix="tidemill-bench-"))
    try:
        facts = run(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "serving.json").write_text(json.dumps(facts, indent=2) + "\n")
    (out / "serving.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
