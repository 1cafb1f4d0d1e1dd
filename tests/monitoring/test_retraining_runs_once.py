"""Starting a retraining: remembered before it starts, at most one at a time, whatever dies."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tidemill.errors import PipelineError
from tidemill.home import Home
from tidemill_monitoring.retraining import read_state, retrain

NOW = datetime(2018, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
# A monitor's last step, in a process of its own, with a training that only leaves a trace.
MONITOR = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
from tidemill.home import Home
from tidemill_monitoring import retraining
retraining.sys.executable = sys.argv[2]
at, cooldown = datetime.fromisoformat(sys.argv[3]), timedelta(hours=float(sys.argv[4]))
home = Home(Path(sys.argv[1]))
print(retraining.retrain(home, "orders", "orders", at, "drift of `order`", cooldown))
"""


class Trainings:
    """Monitors that start a training, which takes some seconds and writes down how it was asked."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.home = Home(folder / "home")
        self._asked = folder / "asked"
        self._asked.touch()
        self._training = folder / "training"
        self._training.write_text(
            f"#!{sys.executable}\nimport json, sys, time\n"
            f"with open({str(self._asked)!r}, 'a') as file:\n"
            "    file.write(json.dumps(sys.argv[1:]) + chr(10))\n"
            f"time.sleep({seconds})\n"
        )
        self._training.chmod(0o755)

    def monitor(self, at: datetime = NOW, cooldown_hours: float = 24) -> subprocess.Popen[str]:
        arguments = [self.home.root, self._training, at.isoformat(), cooldown_hours]
        command = [sys.executable, "-c", MONITOR, *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in self._asked.read_text().splitlines()]

    def wait(self, count: int) -> None:
        until = time.monotonic() + 30
        while len(self.asked()) < count:
            assert time.monotonic() < until, "no training was started"
            time.sleep(0.05)


def said(monitor: subprocess.Popen[str]) -> str:
    out, _ = monitor.communicate(timeout=60)
    assert monitor.returncode == 0
    return out.strip()


def test_a_new_home_remembers_nothing(tmp_path: Path) -> None:
    """No state file means no retraining yet and none running."""
    state = read_state(Home(tmp_path), "orders")
    assert (state.last_started_at, state.in_flight) == (None, False)


def test_a_failed_retraining_is_an_error_and_starts_the_cooldown(tmp_path: Path) -> None:
    """An objective that does not exist fails to train; the attempt is remembered all the same."""
    home = Home(tmp_path)
    with pytest.raises(PipelineError, match="exit code"):
        retrain(home, "orders", "orders", NOW, "drift", DAY)
    assert read_state(home, "orders").last_started_at == NOW


def test_a_running_retraining_is_seen_and_not_joined(tmp_path: Path) -> None:
    """Whoever holds the lock is in flight, and the lock dies with its process."""
    home = Home(tmp_path)
    read_state(home, "orders")
    with (home.monitoring("orders") / "retraining.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert read_state(home, "orders").in_flight
        refusal = retrain(home, "orders", "orders", NOW, "drift", DAY)
        assert refusal == "a retraining of orders is already running"
    assert not read_state(home, "orders").in_flight


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_two_monitors_at_once_start_one_training(tmp_path: Path, seconds: float) -> None:
    """Whether the first training still runs when the second monitor comes, or has ended."""
    trainings = Trainings(tmp_path, seconds)
    answers = sorted(said(each) for each in [trainings.monitor(), trainings.monitor()])
    (asked,) = trainings.asked()
    assert asked[:4] == ["-m", "tidemill.cli", "train", "orders"]
    assert asked[asked.index("--reason") + 1] == "drift of `order`"
    assert answers[0] == "None"
    assert "already running" in answers[1] or "a moment ago" in answers[1]


def test_without_a_cooldown_the_same_instant_is_trained_once(tmp_path: Path) -> None:
    """And the next instant again."""
    trainings = Trainings(tmp_path, 0)
    for at in (NOW, NOW, NOW + DAY):
        said(trainings.monitor(at, cooldown_hours=0))
    assert len(trainings.asked()) == 2


def test_a_killed_monitor_leaves_its_training_alone(tmp_path: Path) -> None:
    """The training goes on, is seen as running, and no second one is started beside it."""
    trainings = Trainings(tmp_path, 6)
    first = trainings.monitor(cooldown_hours=0)
    trainings.wait(1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert read_state(trainings.home, "orders").in_flight
    assert "already running" in said(trainings.monitor(NOW + DAY, cooldown_hours=0))
    assert len(trainings.asked()) == 1


def test_looking_keeps_nobody_from_starting(tmp_path: Path) -> None:
    """Others that ask whether a training runs hold the lock for a moment, each after the other."""
    trainings = Trainings(tmp_path, 0)
    monitor = trainings.monitor()
    while monitor.poll() is None:
        read_state(trainings.home, "orders")
    assert said(monitor) == "None"
