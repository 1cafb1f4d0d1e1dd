"""On Kubernetes the verdict travels as the container's termination message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tidemill.errors import BundleError, TidemillError
from tidemill.experiments.running import ExperimentBook
from tidemill.experiments.standing import Standing
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill.operator.verdicts import newest_verdict
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
        arguments = ["monitor", "orders", "--termination-log", str(log), *options]
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


STANDING = Standing(
    objective="orders",
    number=3,
    at=datetime(2024, 4, 30, tzinfo=UTC),
    arm="new",
    metric="conversion",
    verdict="better",
    step="go on",
    reason="+4.1% (+1.2% to +7.0%)",
    lift=0.041,
    lower=0.012,
    upper=0.07,
    users={"control": 800, "new": 200},
)


def test_the_message_says_how_the_experiment_stands() -> None:
    """In the operator's words; what the verdict says comes through."""
    outcome = newest_verdict([ended(termination_message(run_of("it drifts"), STANDING))])
    assert outcome is not None
    assert outcome.verdict is not None
    assert outcome.verdict.sentence == "it drifts"
    found = outcome.experiment
    assert found is not None
    assert (found.name, found.verdict) == ("orders-3", "better")
    assert (found.lift, found.interval) == ("+4.1%", "+1.2% to +7.0%")
    assert [(arm.name, arm.users) for arm in found.arms] == [("control", 800), ("new", 200)]
    assert found.sentence.startswith("experiment orders-3: new, better by conversion: +4.1%")


def test_before_the_first_look_there_is_no_lift() -> None:
    """Only what can be said."""
    nothing = replace(STANDING, verdict="cannot say", lift=None, lower=None, upper=None)
    found = json.loads(termination_message(run_of("fine"), nothing))["experiment"]
    assert (found["lift"], found["interval"]) == ("", "")


def ended(message: str) -> dict[str, Any]:
    state = {"exitCode": 0, "finishedAt": "2024-04-30T00:00:00Z", "message": message}
    return {"status": {"containerStatuses": [{"state": {"terminated": state}}]}}


@pytest.mark.parametrize("text", ["x" * 9000, "ü" * 5000, '"' * 5000, "\x00" * 3000])
def test_a_long_verdict_is_cut_and_still_json(text: str) -> None:
    """Kubernetes cuts at 4096 bytes wherever that is."""
    message = termination_message(run_of(text, reason=text), STANDING)
    assert len(message.encode()) <= 4096
    found = json.loads(message)
    assert found["sentence"].endswith("…")
    assert (found["status"], found["retrain"]) == ("act", True)


def test_every_verdict_exits_with_0_in_a_pod(open_shop: Callable, monitor: Callable) -> None:
    """A Job that fails is started again; `act` is not a failure. A running experiment is judged on
    the way."""
    shop = open_shop(renamed={"search": "Search"}, users=300)
    holdout = DeclaredExperiment.model_validate({"holdout": "5%"})
    ExperimentBook(shop.home).start("orders", holdout, {}, datetime(2024, 4, 20, tzinfo=UTC))
    result, log = monitor(shop.home.root, "--at", "2024-04-30")
    assert result.exit_code == 0
    found = json.loads(log.read_text())
    assert found["status"] == "act"
    assert (found["experiment"]["name"], found["experiment"]["arm"]) == ("orders-1", "treated")


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
