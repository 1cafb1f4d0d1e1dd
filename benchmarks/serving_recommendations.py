"""Serving of recommendations: CPU time of a request, exact search, batching, and the index.

    python benchmarks/serving_recommendations.py   # docs/benchmarks/serving-recommendations.{json,md}

One machine, loopback, warm, one run. The graph is the one that training exports, over item vectors
that lie in clusters; every server is a `tidemill serve` of its own with a home of its own, and
closed-loop clients ask it from this process. CPU time is the server's own, user and system. The
rival of exact search is ONNX Runtime alone on the least there is to do: a matrix product and a TopK.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import psutil
from closed_loop import drive
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from recommender_homes import COUNT, NAME, SEED, USERS, WIDTH, Scene, facts_of, make_home
from serving import LAUNCH, REPORT, cpu_seconds, free_port, post, started

from tidemill.home import Home
from tidemill.recommendation.interests import ACTIVITY
from tidemill_serving.indexing import build_index
from tidemill_serving.merging import Asked
from tidemill_serving.model import load_model
from tidemill_serving.recommender_model import RecommenderModel
from tidemill_serving.search import ExactSearch, Searcher

SMALL, LARGE = 10_000, 1_000_000
CLIENTS = 16
ROUNDS = 5
BATCHES = {1: 20, 16: 10, 64: 4}
"""Users of a run, and runs of a round."""
PACKAGES = ("tidemill", "onnxruntime", "numpy", "orjson", "httptools", "uvloop", "torch", "onnx")


def requests() -> list[bytes]:
    """One for each user."""
    return [
        post(
            f"/v2/models/{NAME}/infer",
            json.dumps(
                {
                    "inputs": [
                        {"name": "user_id", "datatype": "BYTES", "shape": [1], "data": [f"u{user}"]}
                    ]
                }
            ).encode(),
        )
        for user in range(USERS)
    ]


def ask(port: int, process: psutil.Process, count: int, clients: int) -> dict[str, float]:
    """What `count` requests cost the server, and how long they took."""
    before, begun = cpu_seconds(process), time.perf_counter()
    seconds = drive(port, requests(), count, clients)
    elapsed, used = time.perf_counter() - begun, cpu_seconds(process) - before
    return {
        "requests_per_second": count / elapsed,
        "cpu_us": used / count * 1e6,
        "p50_ms": float(np.quantile(seconds, 0.5)) * 1e3,
        "p99_ms": float(np.quantile(seconds, 0.99)) * 1e3,
    }


def serve(home: Home, plan: dict[int, int]) -> dict[str, Any]:
    """Start a server; for each number of clients ask so many requests, ROUNDS times in turn."""
    port = free_port()
    command = ["-c", LAUNCH, "serve", "--port", str(port), "--grpc-port", "0"]
    begun = time.perf_counter()
    with started(command, home, port) as process:
        ready = time.perf_counter() - begun
        rounds: dict[int, list[dict[str, float]]] = {clients: [] for clients in plan}
        for clients, count in plan.items():
            ask(port, process, max(clients, count // 5), clients)
        for _ in range(ROUNDS):
            for clients, count in plan.items():
                rounds[clients].append(ask(port, process, count, clients))
        return {
            "seconds_to_ready": ready,
            "memory_mb": process.memory_info().rss / 1e6,
            "clients": {str(clients): _median(found) for clients, found in rounds.items()},
        }


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def bare_search(vectors: NDArray[np.float32], path: Path) -> onnxruntime.InferenceSession:
    """Inner products and a TopK, nothing else."""
    nodes = [
        helper.make_node("MatMul", ["query", "vectors"], ["scores"]),
        helper.make_node("TopK", ["scores", "k"], ["score", "item"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bare",
        [
            helper.make_tensor_value_info("query", TensorProto.FLOAT, ["n", WIDTH]),
            helper.make_tensor_value_info("k", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", "k"]),
            helper.make_tensor_value_info("item", TensorProto.INT64, ["n", "k"]),
        ],
        [numpy_helper.from_array(vectors.T.copy(), "vectors")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    onnx.save(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options)


def questions(scene: Scene, items: int) -> list[Asked]:
    """One user each, with everything allowed by one and the same array."""
    rng = np.random.default_rng(SEED + 4)
    allowed = np.ones((1, items), dtype=np.bool_)
    return [
        Asked(
            {
                "history": history[None],
                "facts": facts_of(len(history), rng)[None],
                "activity": np.ones((1, len(ACTIVITY)), dtype=np.float32),
                "context": np.full(1, -1),
                "excluded": np.full((1, 1), -1),
                "allowed": allowed,
            },
            COUNT,
        )
        for history in scene.histories(200)
    ]


def exact_beside_bare(home: Home, scene: Scene) -> list[dict[str, float]]:
    """CPU milliseconds of a run, ours and ONNX Runtime's alone, in turn."""
    bare = bare_search(scene.vectors, home.root / "bare.onnx")
    exact, asked = ExactSearch(_model(home)), questions(scene, scene.items)
    rng = np.random.default_rng(SEED + 5)
    rows = []
    for batch, runs in BATCHES.items():
        query = rng.normal(size=(batch, WIDTH)).astype(np.float32)
        feed = {"query": query, "k": np.array([COUNT])}
        ours, alone = [], []
        for _ in range(ROUNDS):
            alone.append(_cpu_ms(lambda feed=feed: bare.run(None, feed), runs))
            ours.append(_cpu_ms(lambda batch=batch: exact.search(asked[:batch]), runs))
        row = {"ours_ms": statistics.median(ours), "alone_ms": statistics.median(alone)}
        rows.append({"batch": batch, **row, "ratio": row["ours_ms"] / row["alone_ms"]})
    return rows


def _cpu_ms(run: Any, times: int) -> float:
    run()
    before = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - before) / times * 1e3


def recall_of_index(home: Home, scene: Scene) -> dict[str, float]:
    """Recall and cost of the index in this process, against the whole graph."""
    model = _model(home)
    before = time.process_time()
    index = build_index(model)
    built = time.process_time() - before
    if index is None:
        return {"build_cpu_seconds": built}
    asked = questions(scene, scene.items)
    truth, found = _items(ExactSearch(model), asked), _items(index, asked)
    shares = [len(got & best) / len(best) for got, best in zip(found, truth, strict=True)]
    return {
        "build_cpu_seconds": built,
        "recall": statistics.mean(shares),
        "share_read": index.width / scene.items,
        "cpu_ms": _cpu_ms(lambda: [index.search([each]) for each in asked], 3) / len(asked),
    }


def _items(searcher: Searcher, asked: list[Asked]) -> list[set[int]]:
    step = searcher.most_rows
    found = [
        one
        for at in range(0, len(asked), step)
        for one in searcher.search(asked[at : at + step])
    ]
    return [set(one.item[0].tolist()) - {-1} for one in found]


def _model(home: Home) -> RecommenderModel:
    model = load_model(home.served(NAME) / "current", NAME, "1")
    assert isinstance(model, RecommenderModel)
    return model


def run(folder: Path) -> dict[str, Any]:
    """All measures; returns the facts for the report."""
    small = make_home(Home(folder / "small"), Scene(SMALL), is_approximate=False)
    facts: dict[str, Any] = {"small": serve(small, {8: 4_000})}
    scene = Scene(LARGE)
    home = make_home(Home(folder / "large"), scene, is_approximate=False)
    facts["search"] = exact_beside_bare(home, scene)
    facts["exact"] = serve(home, {1: 100, CLIENTS: 400})
    facts["clustered"] = recall_of_index(home, scene)
    shutil.rmtree(home.root)
    home = make_home(Home(folder / "indexed"), scene, is_approximate=True)
    facts["approximate"] = serve(home, {1: 1_000, CLIENTS: 4_000})
    shutil.rmtree(home.root)
    formless = Scene(LARGE, is_clustered=False)
    home = make_home(Home(folder / "formless"), formless, is_approximate=False)
    facts["formless"] = recall_of_index(home, formless)
    facts["python"] = platform.python_version()
    facts["packages"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    return facts
