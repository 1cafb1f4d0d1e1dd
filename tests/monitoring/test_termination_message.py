"""On Kubernetes the verdict travels as the container's termination message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tidemill.errors import BundleError, TidemillError
from tidemill_monitoring.cli import register
from tidemill_monitoring.termination import termination_message, write_message
from tidemill_monitoring.verdicts import Concern, Decision, MonitorRun, Status, Verdict


def run_of(sentence: str, reason: str = "nothing to do") -> MonitorRun:
    verdicts = (
        Verdict(Concern.DATA_QUALITY, Status.WATCH, "look"),
        Verdict(Concern.DRIFT, Status.ACT, sentence),
        Verdict(Concern.PERFORMANCE, Status.ACT, "second"),
    )
    return MonitorRun("orders", "2024-04-30", 7, "1", verdicts, Decision(True, reason))


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable:
    """`monitor(home, ...)`: the command with a termination log, and that file."""
    app = typer.Typer()
    register(app)
    log = tmp_path / "termination-log"

    def run(home: Path, *options: str) -> tuple:
        monkeypatch.setenv("TIDEMILL_HOME", str(home))
        arguments = ["orders", "--termination-log", str(log), *options]  # the only command
        return CliRunner().invoke(app, arguments), log

    return run


def test_the_message_is_the_first_of_the_worst_verdicts() -> None:
    """With drift, which `kubectl get` shows, and the decision."""
    assert json.loads(termination_message(run_of("it drifts"))) == {
        "at": "2024-04-30",
        "status": "act",
        "drift": "act",
        "sentence": "it drifts",
        "retrain": True,
        "reason": "nothing to do",
    }


@pytest.mark.parametrize("text", ["x" * 9000, "ü" * 5000, '"' * 5000, "\x00" * 3000])
def test_a_long_verdict_is_cut_and_still_json(text: str) -> None:
    """Kubernetes cuts at 4096 bytes wherever that is."""
    message = termination_message(run_of(text, reason=text))
    assert len(message.encode()) <= 4096
    found = json.loads(message)
    assert found["sentence"].endswith("…")
    assert (found["status"], found["retrain"]) == ("act", True)


def test_every_verdict_exits_with_0_in_a_pod(open_shop: Callable, monitor: Callable) -> None:
    """A Job that fails is started again; `act` is not a failure."""
    shop = open_shop(renamed={"search": "Search"}, users=300)
    result, log = monitor(shop.home.root, "--at", "2024-04-30")
    assert result.exit_code == 0
    assert json.loads(log.read_text())["status"] == "act"


def test_a_failure_writes_nothing(tmp_path: Path, open_shop: Callable, monitor: Callable) -> None:
    """The operator must not take an old or half answer for a new one."""
    home = open_shop(users=50).home
    (home.served("orders") / "current").unlink()
    result, log = monitor(home.root, "--at", "now")
    assert result.exit_code == 1
    assert isinstance(result.exception, BundleError)
    assert not log.exists()


def test_a_log_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    """With the place and the reason."""
    with pytest.raises(TidemillError, match="Is a directory"):
        write_message(tmp_path, termination_message(run_of("it drifts")))
