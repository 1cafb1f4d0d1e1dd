"""Starts a retraining at most once at a time, and remembers when."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tidemill.errors import PipelineError
from tidemill.home import Home
from tidemill_monitoring.decision import RetrainingState

_REASON_LENGTH = 500


def read_state(home: Home, objective: str) -> RetrainingState:
    """What is known about earlier retrainings, including one that is running now."""
    folder = home.monitoring(objective)
    last = None
    if (folder / "state.json").exists():
        stored = json.loads((folder / "state.json").read_text())
        last = datetime.fromisoformat(stored["last_started_at"])
    with _try_lock(folder) as handle:
        return RetrainingState(last, in_flight=handle is None)


def retrain(home: Home, reference: str, objective: str, at: datetime, reason: str) -> None:
    """Run `tidemill train` as a process of its own; its output goes to stderr.

    `reference` is how the user named the objective: its file, or its name.
    The training process inherits the lock, so it counts as running even if the monitor is killed.
    Raises PipelineError when the training failed or another one is running.
    """
    folder = home.monitoring(objective)
    with _try_lock(folder) as handle:
        if handle is None:
            raise PipelineError(
                f"a retraining of '{objective}' is already running",
                hint="wait for it; `tidemill models {objective}` shows its outcome",
            )
        _remember(folder, at)
        command = [sys.executable, "-m", "tidemill.cli", "train", reference]
        command += ["--at", at.isoformat(), "--reason", reason[:_REASON_LENGTH]]
        environment = {**os.environ, "TIDEMILL_HOME": str(home.root)}
        done = subprocess.run(command, stdout=2, env=environment, pass_fds=(handle,), check=False)
    if done.returncode != 0:
        raise PipelineError(
            f"retraining '{objective}' failed with exit code {done.returncode}",
            hint=f"run `tidemill train {reference}` to see it again; "
            "the model that was live still is",
        )


def _remember(folder: Path, at: datetime) -> None:
    """Before the start, so that a failing training is not started again and again."""
    draft = folder / f"state.json.{os.getpid()}"
    draft.write_text(json.dumps({"last_started_at": at.isoformat()}))
    draft.replace(folder / "state.json")


@contextmanager
def _try_lock(folder: Path) -> Iterator[int | None]:
    """The lock's file descriptor, or None when somebody else holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "retraining.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield handle.fileno()
