"""From the gate through an arm of an experiment to the champion, by what users did: a real server,
a real log, a real registry."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from tidemill.events import EventLog
from tidemill.experiments.running import ExperimentBook
from tidemill.home import Home
from tidemill.objective import load_objective
from tidemill.online import open_online_reader
from tidemill.registry import Registry
from tidemill_features.catalog import FEATURE_VIEW, load_catalog
from tidemill_monitoring.experiments.acting import act_on_experiment
from tidemill_pipelines import steps

TIDEMILL = str(Path(sys.executable).with_name("tidemill"))
OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  propensity: {event: order, within: 14d}
  training: {cutoffs: 3}
  experiment:
    promote: true
    arms:
      - {name: control, share: 50%, serve: champion}
      - {name: new, share: 50%, serve: challenger}
    metrics: [{name: orders, event: order, within: 1d}]
"""
BETTER = {"difference": 0.05, "lower": 0.03, "upper": 0.07}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shop_events, cutoff):
    """A champion, and a challenger that passed the gate and has its arm."""
    folder = tmp_path_factory.mktemp("experiment")
    home, file = Home(folder / "home"), folder / "orders.yaml"
    EventLog(home.events).append(shop_events(300, 120))
    file.write_text(OBJECTIVE)
    objective = load_objective(file)
    root, text = str(home.root), objective.model_dump_json()
    plan, dataset, model, judged = (str(folder / name) for name in ("p", "dataset", "m", "e"))
    steps.validate(root, text, cutoff.isoformat(), plan)
    steps.build_training_set(root, text, plan, dataset)
    steps.train(text, dataset, model)
    for _ in range(2):
        steps.evaluate(root, text, dataset, model, judged)
        facts = json.loads(Path(judged).read_text())
        if facts["over_champion"] is not None:
            # The same model again is never better; what follows is what is tested.
            Path(judged).write_text(json.dumps({**facts, "over_champion": BETTER}))
        version = steps.register(root, text, dataset, model, judged, "test")
        steps.promote(root, text, version, plan, judged)
    return SimpleNamespace(home=home, objective=objective)


@pytest.fixture(scope="module")
def server(shop):
    """`tidemill serve` in a process of its own; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [TIDEMILL, "serve", "--port", str(port), "--grpc-port", "0"]
    process = subprocess.Popen(command, env={**os.environ, "TIDEMILL_HOME": str(shop.home.root)})
    wait_for(lambda: ask(port, "u1").get("experiment") == "orders-1")
    yield port
    process.terminate()
    process.wait(20)


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError("it did not get there")


def ask(port, *users):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models/orders:predict",
        json.dumps({"instances": list(users)}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_the_way_to_the_top(shop, server, events_of):
    """Half the users are answered by each model; those of the challenger buy, and so it is live."""
    home, registry = shop.home, Registry(shop.home)
    assert (registry.champion("orders"), registry.outcome("orders").outcome) == ("1", "launched")
    users = open_online_reader(home, FEATURE_VIEW, load_catalog(home).names).entities()
    answered = {
        each["user_id"]: (each["arm"], each["model_version"])
        for each in ask(server, *users)["predictions"]
    }
    assert set(answered.values()) == {("control", "1"), ("new", "2")}
    now = datetime.now(UTC)
    buyers = [user for user, (arm, _) in answered.items() if arm == "new" or user[-1] in "137"]
    bought = [{"user": u, "at": now + timedelta(minutes=1), "id": f"late-{u}"} for u in buyers]
    EventLog(home.events).append(events_of(*bought))
    early = act_on_experiment(home, shop.objective, now, print)
    assert (early.step, registry.champion("orders")) == ("go on", "1")
    standing = act_on_experiment(home, shop.objective, now + timedelta(days=3), print)
    assert (standing.verdict, standing.arm) == ("better", "new")
    assert sum(standing.users.values()) == len(users)
    last = registry.promotions("orders")[-1]
    assert (last.version, last.instead_of, last.reason) == ("2", "1", standing.sentence)
    assert ExperimentBook(home).running("orders") is None
    wait_for(lambda: "experiment" not in ask(server, "u1"))
    assert {each["model_version"] for each in ask(server, *users)["predictions"]} == {"2"}
