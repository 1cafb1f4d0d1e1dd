"""What runs in a cluster's pods, as processes: a shared home, a real MLflow server, a real Redis.

A pipeline run, an endpoint of one published version, a monitor, and what the operator reads of it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective.status import MonitoringStatus
from tidemill.operator.model_registry import ModelRegistry
from tidemill.predictions import count_predictions

TIDEMILL = str(Path(sys.executable).with_name("tidemill"))
OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  propensity: {event: order, within: 14d}
  training: {cutoffs: 3, minimum_positives: 50}
"""


def moved_to_now(events: pa.Table) -> pa.Table:
    """The same events, the last of them an hour ago: in a cluster, now is always now."""
    last = pc.max(events.column("received_at")).as_py()
    shift = pa.scalar(datetime.now(UTC) - timedelta(hours=1) - last, pa.duration("us"))
    for name in ("timestamp", "received_at"):
        at = events.schema.get_field_index(name)
        events = events.set_column(at, events.field(at), pc.add(events.column(name), shift))
    return events


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory,
    mlflow_server: str,
    _shared_redis: Any,
    shop_events: Callable[..., pa.Table],
) -> SimpleNamespace:
    """The environment of every pod, and a home with events."""
    home = Home(tmp_path_factory.mktemp("cluster") / "home")
    EventLog(home.events).append(moved_to_now(shop_events(300, 120)))
    (home.root.parent / "orders.yaml").write_text(OBJECTIVE)
    _shared_redis.client().flushall()
    environment = {
        **os.environ,
        "TIDEMILL_HOME": str(home.root),
        "MLFLOW_TRACKING_URI": mlflow_server,
        "TIDEMILL_ONLINE_STORE": _shared_redis.url,
    }
    return SimpleNamespace(home=home, environment=environment, mlflow=mlflow_server)


def tidemill(cluster: SimpleNamespace, *arguments: str) -> str:
    """What a pod with these arguments says."""
    done = subprocess.run(
        [TIDEMILL, *arguments],
        cwd=cluster.home.root.parent,
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(cluster: SimpleNamespace) -> SimpleNamespace:
    tidemill(cluster, "train", "orders.yaml", "--at", "now")
    return cluster


@pytest.fixture(scope="module")
def endpoint(trained: SimpleNamespace) -> Iterator[str]:
    """The server with the arguments that the operator gives it; all but predictions read-only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [f"--model-dir={trained.home.served('orders')}/1", "--model-name=orders"]
    process = subprocess.Popen(
        [TIDEMILL, "serve", f"--port={port}", "--grpc-port=0", *arguments],
        env=trained.environment,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/v2/health/ready", timeout=1)
            break
        except OSError:
            assert process.poll() is None, "the server ended"
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(40)


def ask(endpoint: str, users: list[str]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{endpoint}/v1/models/orders:predict",
        json.dumps({"instances": users}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return list(json.loads(answer.read())["predictions"])


def test_a_run_leaves_a_champion_where_the_operator_looks(trained: SimpleNamespace) -> None:
    """Version, quality and outcome by MLflow's REST API; nothing in the home's own database."""
    registry = ModelRegistry(trained.mlflow)
    champion, outcome = registry.champion("orders"), registry.outcome("orders")
    assert champion is not None
    assert outcome is not None
    assert (champion.version, outcome.outcome, outcome.version) == ("1", "promoted", "1")
    measure, value = champion.quality.split()
    assert measure == "AUC"
    assert float(value) > 0.5
    assert not trained.home.mlflow_database.exists()


def test_a_run_publishes_the_folder_that_an_endpoint_mounts(trained: SimpleNamespace) -> None:
    """Named by the version; the folder for predictions is there too, for its subPath."""
    assert (trained.home.served("orders") / "1" / "model.onnx").exists()
    assert trained.home.predictions("orders").is_dir()
    assert not trained.home.online_store.exists()


def test_an_endpoint_answers_from_redis_as_that_version(
    trained: SimpleNamespace, endpoint: str
) -> None:
    """And logs into the shared home."""
    before = count_predictions(trained.home.predictions("orders"))
    known, unknown = ask(endpoint, ["u1", "nobody"])
    assert (known["cold_start"], unknown["cold_start"]) == (False, True)
    assert known["model_version"] == "1"
    assert count_predictions(trained.home.predictions("orders")) == before + 2


def test_the_hourly_job_refreshes_what_the_endpoint_reads(
    trained: SimpleNamespace, endpoint: str
) -> None:
    """The CronJob of the chart, with its arguments."""
    assert "users have" in tidemill(trained, "features", "materialize", "--at", "now")
    assert not ask(endpoint, ["u1"])[0]["cold_start"]


def test_a_monitor_knows_the_objective_and_leaves_its_verdict(
    trained: SimpleNamespace, endpoint: str, tmp_path: Path
) -> None:
    """By name, as the pipeline kept it; the operator reads what it writes."""
    ask(endpoint, [f"u{user}" for user in range(300)])
    log = tmp_path / "termination-log"
    log.touch()
    tidemill(trained, "monitor", "orders", "--at=now", "--window=7d", f"--termination-log={log}")
    assert log.stat().st_size <= 4096
    verdict = MonitoringStatus.model_validate(json.loads(log.read_text()))
    assert verdict.at is not None
    assert verdict.status in {"ok", "watch", "act", "undecided"}
