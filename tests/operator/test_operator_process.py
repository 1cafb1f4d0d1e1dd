"""The operator as its container runs it, against the API double and two stubs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow_stub import MlflowStub
from operator_world import (
    NAMESPACE,
    install_runtime,
    objective_manifest,
    operator_settings,
)

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def mlflow_stub() -> Iterator[MlflowStub]:
    with MlflowStub() as stub:
        yield stub


@pytest.fixture
def start(
    tmp_path: Path, api_double: Any, kubeflow_stub: Any, mlflow_stub: MlflowStub
) -> Iterator[Start]:
    """`start(port=0)`: an operator process; all end with the test."""
    install_runtime(api_double)
    settings = operator_settings(kubeflow_stub.url, mlflow=mlflow_stub.url, resyncSeconds=5)
    config = tmp_path / "operator.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump()))
    processes = []

    def run(port: int = 0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tidemill.cli", "operator", "--config", str(config)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        with (tmp_path / f"operator-{len(processes)}.log").open("wb") as log:
            processes.append(subprocess.Popen(command, stderr=log, env=dict(os.environ)))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def wait_for(is_so: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.05)


def phase(double: Any, name: str = "orders") -> str:
    found = double.get("Objective", name) or {}
    return str(found.get("status", {}).get("phase", ""))


def holder(double: Any) -> str:
    lease = double.get("Lease", "tidemill-operator") or {"spec": {}}
    return str(lease["spec"].get("holderIdentity", ""))


def test_an_objective_applied_while_it_runs_is_taken_up(start: Start, api_double: Any) -> None:
    """Within seconds, by its watch."""
    start()
    wait_for(lambda: holder(api_double))
    api_double.put(objective_manifest())
    wait_for(lambda: phase(api_double) == "Training")


def test_a_champion_is_served_without_anybody_asking(
    start: Start, api_double: Any, mlflow_stub: MlflowStub
) -> None:
    """MLflow cannot be watched, so it is asked at every round."""
    api_double.put(objective_manifest())
    start()
    wait_for(lambda: phase(api_double) == "Training")
    mlflow_stub.champions["orders"] = "1"
    wait_for(lambda: api_double.get("InferenceService", "orders") is not None)


def test_it_waits_for_its_own_kind(start: Start, api_double: Any) -> None:
    """The chart's objects come in any order."""
    api_double.withdraw("Objective")
    start()
    wait_for(lambda: holder(api_double))
    time.sleep(1)
    api_double.serve("Objective")
    api_double.put(objective_manifest())
    wait_for(lambda: phase(api_double) == "Training")


def test_it_asks_for_nothing_of_other_namespaces(start: Start, api_double: Any) -> None:
    """But for the definition of InferenceService and its own runtime."""
    api_double.put(objective_manifest())
    start()
    wait_for(lambda: phase(api_double) == "Training")
    paths = {path.split("?")[0] for _, path in api_double.requests}
    outside = {p for p in paths if p.count("/") > 3 and "/namespaces/tidemill/" not in p}
    assert outside == {
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferenceservices.serving.kserve.io",
        "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes/tidemill-tidemill",
    }


def test_a_child_deleted_by_hand_is_back_at_once(
    start: Start, api_double: Any, mlflow_stub: MlflowStub
) -> None:
    """Its watch sees children too."""
    mlflow_stub.champions["orders"] = "1"
    api_double.put(objective_manifest())
    start()
    wait_for(lambda: api_double.get("InferenceService", "orders") is not None)
    api_double.delete("InferenceService", "orders", NAMESPACE)
    wait_for(lambda: api_double.get("InferenceService", "orders") is not None)


def test_kill_9_in_the_middle_changes_nothing(
    start: Start, api_double: Any, kubeflow_stub: Any
) -> None:
    """Twenty Objectives, one killed operator, twenty runs."""
    first = start()
    wait_for(lambda: holder(api_double))
    for number in range(20):
        api_double.put(objective_manifest(f"objective-{number}"))
    wait_for(lambda: len(kubeflow_stub.runs) > 5)
    first.kill()
    start()
    wait_for(lambda: all(phase(api_double, f"objective-{n}") for n in range(20)), 60)
    names = [run["display_name"] for run in kubeflow_stub.runs]
    assert len(names) == len(set(names)) == 20


def test_the_second_replica_takes_over_when_the_first_is_stopped(
    start: Start, api_double: Any
) -> None:
    """SIGTERM gives the lease back, so the second need not wait for its end."""
    first = start()
    api_double.put(objective_manifest("before"))
    wait_for(lambda: phase(api_double, "before") == "Training")
    start()
    leader = holder(api_double)
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    wait_for(lambda: holder(api_double) not in ("", leader))
    api_double.put(objective_manifest("after"))
    wait_for(lambda: phase(api_double, "after") == "Training")


def test_500_objectives_are_all_looked_after(start: Start, api_double: Any) -> None:
    """In pages, with four workers."""
    for number in range(500):
        api_double.put(objective_manifest(f"objective-{number}"))
    start()
    wait_for(lambda: all(phase(api_double, f"objective-{n}") for n in range(500)), 200)


def test_it_tells_how_it_is(start: Start, api_double: Any) -> None:
    """/healthz for the kubelet, /metrics for Prometheus."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api_double.put(objective_manifest())
    start(port)
    wait_for(lambda: phase(api_double) == "Training")

    def page(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    assert page("/healthz") == "ok\n"
    wait_for(lambda: 'tidemill_objectives{phase="Training"} 1.0' in page("/metrics"))
    assert "tidemill_leader 1.0" in page("/metrics")
