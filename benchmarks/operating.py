"""`make bench-operator`: one operator, a thousand Objectives, on the API double.

Protocol: the API double, the Kubeflow stub and the MLflow stub run in a process of their own, on
loopback. 1,000 Objectives are declared, each with a champion, ready pods and a monitor, so that all
of them reach the phase Serving; then the operator starts. Measured: its memory (resident set, the
largest seen), the CPU time and the wall time until all are served, the CPU time of a whole round at
rest, and, at rest, the time from a change of one Objective to the change of its InferenceService,
50 times, one at a time. The reconcile time is the operator's own histogram, waiting for the servers
included. KServe and Kubernetes' own work is no part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parent.parent
RESYNC_SECONDS = 60
CHANGES = 50
PACKAGES = ("tidemill", "kopf", "kubernetes", "kfp-server-api", "aiohttp")
for folder in ("tests/cluster", "tests/operator"):
    sys.path.insert(0, str(ROOT / folder))


def serve(count: int, folder: Path) -> None:
    """Run the stand-ins until this process is killed; they play KServe's controller too."""
    from api_double import ApiDouble
    from kubeflow_stub import KubeflowStub
    from mlflow_stub import MlflowStub
    from operator_world import NAMESPACE, World, objective_manifest

    with ApiDouble() as double, KubeflowStub() as kubeflow, MlflowStub() as mlflow:
        os.environ["KUBECONFIG"] = str(double.kubeconfig(folder / "kubeconfig"))
        world = World(double, kubeflow)
        for number in range(count):
            name = f"objective-{number:04d}"
            mlflow.champions[name] = "1"
            world.add_pod("1", name)
            world.apply(objective_manifest(name))
        (folder / "urls.json").write_text(json.dumps([double.url, kubeflow.url, mlflow.url]))
        reported: set[str] = set()
        while True:
            for found in double.list("InferenceService", NAMESPACE):
                name = found["metadata"]["name"]
                if name not in reported:
                    world.report(name=name)
                    reported.add(name)
            (folder / "endpoints").write_text(str(len(reported)))
            time.sleep(2.0 if len(reported) == count else 0.5)


def start_operator(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The command of the container."""
    from operator_world import operator_settings

    _, kubeflow, mlflow = json.loads((folder / "urls.json").read_text())
    settings = operator_settings(kubeflow, mlflow=mlflow, resyncSeconds=RESYNC_SECONDS)
    (folder / "operator.yaml").write_text(yaml.safe_dump(settings.model_dump()))
    command = [sys.executable, "-m", "tidemill.cli", "operator", "--host", "127.0.0.1"]
    command += ["--config", str(folder / "operator.yaml"), "--port", str(port)]
    environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig")}
    with (folder / "operator.log").open("wb") as log:
        return subprocess.Popen(command, stderr=log, env=environment)


class Memory:
    """Watches the resident set of a process."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.largest = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self._process.is_running():
            self.largest = max(self.largest, self._process.memory_info().rss)
            time.sleep(0.2)


def metric(port: int, pattern: str) -> float:
    """A number of the operator's own page, 0 while it is not there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            found = re.search(rf"^{pattern} (\S+)$", page.read().decode(), re.MULTILINE)
    except OSError:
        return 0.0
    return float(found[1]) if found else 0.0


def wait_for(is_so: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("the operator did not get there")
        time.sleep(0.1)


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def change_times(count: int) -> list[float]:
    """Seconds from a change of an Objective to that of its InferenceService."""
    from tidemill.cluster import KubernetesApi

    api = KubernetesApi.connect(None, "tidemill")
    seconds = []
    for number in range(CHANGES):
        name = f"objective-{number * (count // CHANGES):04d}"
        replicas = {"replicas": {"min": 1, "max": 20 + number}}
        started = time.perf_counter()
        api.patch("Objective", name, {"spec": {"serving": replicas}})
        while most_replicas(api.get("InferenceService", name)) != 20 + number:
            time.sleep(0.002)
        seconds.append(time.perf_counter() - started)
    return seconds


def most_replicas(service: dict[str, Any] | None) -> int:
    return 0 if service is None else int(service["spec"]["predictor"].get("maxReplicas", 0))


def measure(count: int, folder: Path) -> dict[str, Any]:
    """All numbers of one run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["KUBECONFIG"] = str(folder / "kubeconfig")
    started = time.monotonic()
    operator = start_operator(folder, port)
    process = psutil.Process(operator.pid)
    memory = Memory(process)
    try:
        serving = r'tidemill_objectives\{phase="Serving"\}'
        wait_for(lambda: metric(port, serving) == count, 1800)
        settled, settled_cpu = time.monotonic() - started, cpu_seconds(process)
        rounds = metric(port, "tidemill_reconcile_seconds_count")
        wait_for(
            lambda: metric(port, "tidemill_reconcile_seconds_count") >= rounds + 2 * count, 600
        )
        round_cpu = (cpu_seconds(process) - settled_cpu) / 2
        changes = change_times(count)
        total = metric(port, "tidemill_reconcile_seconds_sum")
        reconciled = metric(port, "tidemill_reconcile_seconds_count")
    finally:
        operator.kill()
    return {
        "objectives": count,
        "memory_mb": round(memory.largest / 1e6),
        "settled_seconds": round(settled, 1),
        "settled_cpu_seconds": round(settled_cpu, 1),
        "round_cpu_seconds": round(round_cpu, 1),
        "reconcile_mean_seconds": round(total / reconciled, 4),
        "change_median_seconds": round(median(changes), 3),
        "change_p98_seconds": round(quantiles(changes, n=50)[-1], 3),
        "versions": {name: version(name) for name in PACKAGES},
    }


def markdown(facts: dict[str, Any]) -> str:
    """The page."""
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    rows = [
        ("largest resident set", f"{facts['memory_mb']} MB"),
        ("all served after", f"{facts['settled_seconds']} s"),
        ("CPU until then", f"{facts['settled_cpu_seconds']} s"),
        (
            f"CPU of a round over all at rest, every {RESYNC_SECONDS} s",
            f"{facts['round_cpu_seconds']} s",
        ),
        ("one reconciliation, mean", f"{facts['reconcile_mean_seconds'] * 1000:.0f} ms"),
        (
            "a change of an Objective to the change of its InferenceService, median",
            f"{facts['change_median_seconds'] * 1000:.0f} ms",
        ),
        ("the same, 98th percentile", f"{facts['change_p98_seconds'] * 1000:.0f} ms"),
    ]
    table = "\n".join(f"| {what} | {number} |" for what, number in rows)
    return (
        f"| one operator, {facts['objectives']:,} Objectives | |\n|---|--:|\n{table}\n\n"
        f"Python {sys.version.split()[0]}, {versions}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objectives", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.objectives, options.serve)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--objectives", str(options.objectives)]
        servers = subprocess.Popen([*command, "--serve", name])
        try:
            wait_for((folder / "urls.json").exists, 300)
            facts = measure(options.objectives, folder)
        finally:
            servers.kill()
    (options.out / "operator.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "operator.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
