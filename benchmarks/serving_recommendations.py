"""Serving of recommendations: CPU time of a request, exact search, batching, and the index.

    python benchmarks/serving_recommendations.py

Writes docs/benchmarks/serving-recommendations.{json,md}. One machine, loopback, warm. The graph is
the one that training exports, over item vectors that lie in clusters; every server is a
`tidemill serve` of its own, and closed-loop clients ask it from this process. CPU time is the
server's own, user and system. The rival of exact search is ONNX Runtime alone on the least there is
to do: a product and a TopK.
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
import psutil
from bare_search import bare_search
from closed_loop import drive
from recommender_homes import (
    COUNT,
    LONGEST,
    NAME,
    SEED,
    USERS,
    WIDTH,
    Scene,
    declare_index,
    facts_of,
    make_home,
)
from serving import LAUNCH, REPORT, cpu_seconds, free_port, post, started

from tidemill.home import Home
from tidemill.recommendation.interests import ACTIVITY
from tidemill_serving.approximate import ApproximateSearch
from tidemill_serving.indexing import build_index
from tidemill_serving.merging import Asked
from tidemill_serving.model import load_model
from tidemill_serving.partitions import build_partitions
from tidemill_serving.recommender_model import RecommenderModel
from tidemill_serving.search import ExactSearch, Searcher

SMALL, LARGE = 10_000, 1_000_000
CLIENTS = 16
ROUNDS = 3
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


def questions(scene: Scene) -> list[Asked]:
    """One user each, with everything allowed by one and the same array."""
    rng = np.random.default_rng(SEED + 4)
    allowed = np.ones((1, scene.items), dtype=np.bool_)
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
    exact, asked = ExactSearch(_model(home)), questions(scene)
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


def index_beside_exact(home: Home, scene: Scene) -> dict[str, Any]:
    """Recall and cost of the index in this process, against the whole graph."""
    model = _model(home)
    before = time.process_time()
    index = build_index(model)
    facts: dict[str, Any] = {"build_cpu_seconds": time.process_time() - before}
    if index is None:
        return {**facts, "refused": True}
    asked = questions(scene)
    facts["recall"] = _recall(index, ExactSearch(model), asked)
    facts["width"] = index.width
    facts["cpu_ms"] = _cpu_ms(lambda: [index.search([each]) for each in asked], 3) / len(asked)
    return facts


def forced_recall(home: Home, scene: Scene, width: int) -> float:
    """What an index would find that reads `width` items, whether or not that pays."""
    model = _model(home)
    index = ApproximateSearch(model, build_partitions(scene.vectors), width)
    return _recall(index, ExactSearch(model), questions(scene))


def _recall(index: Searcher, exact: Searcher, asked: list[Asked]) -> float:
    """Mean share of the truly best items that are new to the user, and found."""
    pairs = zip(_new_items(index, asked), _new_items(exact, asked), strict=True)
    return statistics.mean(len(found & best) / len(best) for found, best in pairs if best)


def _new_items(searcher: Searcher, asked: list[Asked]) -> list[set[int]]:
    step = searcher.most_rows
    found = [
        one for at in range(0, len(asked), step) for one in searcher.search(asked[at : at + step])
    ]
    return [
        set(one.item[0].tolist()) - set(each.inputs["history"][0].tolist()) - {-1}
        for one, each in zip(found, asked, strict=True)
    ]


def _model(home: Home) -> RecommenderModel:
    model = load_model(home.served(NAME) / "current", NAME, "1")
    assert isinstance(model, RecommenderModel)
    return model


def run(folder: Path) -> dict[str, Any]:
    """All measures; returns the facts for the report."""
    small = make_home(Home(folder / "small"), Scene(SMALL))
    facts: dict[str, Any] = {"small": serve(small, {8: 4_000})}
    scene = Scene(LARGE)
    large = make_home(Home(folder / "large"), scene)
    facts["search"] = exact_beside_bare(large, scene)
    facts["exact"] = serve(large, {1: 100, CLIENTS: 400})
    facts["index"] = index_beside_exact(large, scene)
    declare_index(large)
    facts["approximate"] = serve(large, {1: 1_000, CLIENTS: 4_000})
    shutil.rmtree(large.root)
    scene = Scene(LARGE, is_clustered=False)
    formless = make_home(Home(folder / "formless"), scene)
    facts["formless"] = index_beside_exact(formless, scene)
    facts["formless"]["forced_recall"] = forced_recall(formless, scene, facts["index"]["width"])
    facts["load"] = psutil.getloadavg()[2]
    facts["python"] = platform.python_version()
    facts["packages"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    return facts


def markdown(facts: dict[str, Any]) -> str:
    """The page for the documentation."""
    small = facts["small"]["clients"]["8"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return "\n".join(
        [
            "# Serving of recommendations",
            "",
            "Made by `make bench-serving`; nothing here is written by hand. One machine, loopback, "
            "warm, one server process without threads of ONNX Runtime's own; closed-loop clients "
            "share its two cores, so CPU time and ratios count. Users have histories of "
            f"{LONGEST} items and get {COUNT}; every answer is validated, logged and durable.",
            "",
            f"**{SMALL:,} items**: {small['cpu_us']:.0f} µs of CPU a request, "
            f"{1e6 / small['cpu_us']:,.0f} requests a second and core.",
            "",
            *_search_table(facts["search"]),
            "",
            *_server_table(facts),
            "",
            *_index_words(facts),
            "",
            f"Load average of the machine over the last 15 minutes: {facts['load']:.1f}. Median of "
            f"{ROUNDS} rounds, seed {SEED}, Python {facts['python']}, {versions}.",
            "",
        ]
    )


def _search_table(rows: list[dict[str, float]]) -> list[str]:
    return [
        f"## Exact search: {LARGE:,} items of {WIDTH} factors, CPU ms a run",
        "",
        "| users in a run | whole graph | ONNX Runtime, MatMul and TopK alone | ratio |",
        "|--:|--:|--:|--:|",
        *(
            f"| {row['batch']} | {row['ours_ms']:.1f} | {row['alone_ms']:.1f} "
            f"| {row['ratio']:.2f} |"
            for row in rows
        ),
    ]


def _server_table(facts: dict[str, Any]) -> list[str]:
    lines = [
        f"## `tidemill serve` with {LARGE:,} items",
        "",
        "| search | clients | requests a second | CPU ms a request | p50 ms | p99 ms |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for index in ("exact", "approximate"):
        for clients, found in facts[index]["clients"].items():
            lines.append(
                f"| {index} | {clients} | {found['requests_per_second']:.0f} | "
                f"{found['cpu_us'] / 1e3:.2f} | {found['p50_ms']:.1f} | {found['p99_ms']:.1f} |"
            )
    one, many = facts["exact"]["clients"]["1"], facts["exact"]["clients"][str(CLIENTS)]
    gain = many["requests_per_second"] / one["requests_per_second"]
    cheaper = one["cpu_us"] / many["cpu_us"]
    return [
        *lines,
        "",
        f"Exact: {CLIENTS} clients at once get {gain:.1f} times the throughput of one by one, at "
        f"{cheaper:.1f} times less CPU a request, because those who wait share the next run.",
    ]


def _index_words(facts: dict[str, Any]) -> list[str]:
    index, formless = facts["index"], facts["formless"]
    memory = {name: facts[name]["memory_mb"] for name in ("exact", "approximate")}
    share = index["width"] / LARGE
    refusal = "is not built" if formless.get("refused") else "is built"
    return [
        "## The index (`spec.serving.index: approximate`)",
        "",
        f"Recall of the {COUNT} best, among items new to the user: {index['recall']:.3f}, reading "
        f"{share:.1%} of the items, {index['cpu_ms']:.2f} ms of CPU a user without the server. "
        f"Built when the model is loaded, in {index['build_cpu_seconds']:.0f} CPU seconds; the "
        f"server then holds {memory['approximate']:.0f} MB instead of {memory['exact']:.0f} MB.",
        "",
        f"Over independent normal vectors, which have no clusters to find, the index {refusal} and "
        "search stays exact: reading the same share would find "
        f"{formless['forced_recall']:.3f} of the best.",
    ]


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
    (out / "serving-recommendations.json").write_text(json.dumps(facts, indent=2) + "\n")
    (out / "serving-recommendations.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
