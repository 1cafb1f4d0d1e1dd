"""Starts a retraining at most once at a time, and remembers when."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from tidemill.errors import PipelineError
from tidemill.home import Home
from tidemill_monitoring.decision import RetrainingState

_REASON_LENGTH = 500
_PROBES_SECONDS = 1.0
"""How long the lock may be held by those who only look whether it is."""


def read_state(home: Home, objective: str) -> RetrainingState:
    """What is known about earlier retrainings, including one that is running now."""
    folder = home.monitoring(objective)
    with _try_lock(folder, fcntl.LOCK_SH) as handle:
        return RetrainingState(_last_started(folder), in_flight=handle is None)


def retrain(
    home: Home, reference: str, objective: str, at: datetime, reason: str, cooldown: timedelta
) -> str | None:
    """Run `tidemill train` as a process of its own; its output goes to stderr.

    `reference` is how the user named the objective: its file, or its name.
    The training process inherits the lock, so it counts as running even if the monitor is killed.
    Returns why none was started, when another monitor was faster: its decision is as good as this
    one's. Raises PipelineError when the training failed.
    """
    folder = home.monitoring(objective)
    with _try_lock(folder, fcntl.LOCK_EX, _PROBES_SECONDS) as handle:
        if handle is None:
            return f"a retraining of {objective} is already running"
        last = _last_started(folder)
        if last is not None and last <= at < last + max(cooldown, timedelta.resolution):
            return f"{objective} was retrained as of {last:%Y-%m-%d %H:%M} UTC a moment ago"
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
    return None


def _last_started(folder: Path) -> datetime | None:
    state = folder / "state.json"
    if not state.exists():
        return None
    return datetime.fromisoformat(json.loads(state.read_text())["last_started_at"])


def _remember(folder: Path, at: datetime) -> None:
    """Before the start, so that a failing training is not started again and again."""
    state, draft = folder / "state.json", folder / f"state.json.{os.getpid()}"
    started = json.loads(state.read_text()).get("started", 0) if state.exists() else 0
    draft.write_text(json.dumps({"last_started_at": at.isoformat(), "started": started + 1}))
    draft.replace(state)


@contextmanager
def _try_lock(folder: Path, kind: int, patience: float = 0.0) -> Iterator[int | None]:
    """The lock's file descriptor, or None when somebody else holds it for `patience` seconds.

    Those who only look take it shared, so that two of them do not see each other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + patience
    with (folder / "retraining.lock").open("a") as handle:
        while not _taken(handle.fileno(), kind):
            if time.monotonic() >= until:
                yield None
                return
            time.sleep(0.05)
        yield handle.fileno()


def _taken(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
