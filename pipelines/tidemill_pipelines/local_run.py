"""Runs the pipeline on this machine, one process per step, without any service."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tidemill.errors import PipelineError, TidemillError
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_pipelines.orphans import taking_steps_along
from tidemill_pipelines.reporting import read_error

_STARTED = re.compile(r"Executing task .*?'([a-z-]+)'")
_SAID = re.compile(r"tidemill: (.*)")
_RAISED = re.compile(r"\s*((?:\w+\.)*\w*(?:Error|Exception)\b.*)")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_RUNS_KEPT = 5


def run_locally(
    home: Home,
    objective: Objective,
    at: datetime,
    reason: str,
    say: Callable[[str], None],
) -> Path:
    """Train once; returns the run's folder. `say` gets a line per step and per fact.

    Raises the step's own error, or PipelineError with the place of the full log.
    """
    os.environ.setdefault("KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT", "true")
    # Threads that spin while they wait make a training beside other work ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from kfp import local  # 1 CPU second to import

    from tidemill_pipelines.pipeline import training  # imports kfp

    waiting = f"another training of {objective.name} is running; waiting for it to end"
    with home.lock(f"train-{objective.name}", on_wait=lambda: say(waiting)):
        folder = home.runs / objective.name / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        folder.mkdir(parents=True)
        log = _RunLog(folder / "run.log", say)
        try:
            with (
                taking_steps_along(folder / "run.lock"),
                contextlib.redirect_stdout(log),
                warnings.catch_warnings(),
            ):
                # That images, CPU and memory mean nothing here is what running locally means.
                warnings.filterwarnings("ignore", module=r"kfp\.local")
                local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder))
                training(
                    objective=objective.model_dump_json(),
                    at=at.astimezone(UTC).isoformat(),
                    home=str(home.root),
                    reason=reason,
                )
        except TidemillError:
            raise
        except Exception as error:  # the runner raises classes of its own; the log has the cause
            raise log.error or PipelineError(
                f"the pipeline failed at step '{log.step}': {log.cause or error}",
                hint=f"the whole log is in {log.path}",
            ) from error
        finally:
            log.finish()
        _forget_old_runs(folder.parent)
    return folder


class _RunLog(io.TextIOBase):
    """Keeps everything the runner prints, and passes on what a person wants to see."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self.step = "start"
        self.cause = ""
        self.error: TidemillError | None = None
        self._say = say
        self._file = path.open("w")
        self._line = ""

    def write(self, text: str) -> int:
        self._file.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._read(_ANSI.sub("", line))
        return len(text)

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()

    def finish(self) -> None:
        self._file.close()

    def _read(self, line: str) -> None:
        if started := _STARTED.search(line):
            self.step = started[1]
            self._say(f"[bold]{self.step}[/]")
        elif (error := read_error(line)) is not None:
            self.error = error
        elif cause := _RAISED.match(line):
            self.cause = cause[1]
        elif said := _SAID.search(line):
            self._say(f"  {said[1]}")


def _forget_old_runs(folder: Path) -> None:
    """Intermediate files of a run are large, and what matters of it is in the registry."""
    for old in sorted(folder.iterdir())[:-_RUNS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
