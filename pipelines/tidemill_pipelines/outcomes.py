"""What came of a training, kept beside its models: pods and their logs are soon gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tidemill.errors import NotReadyError, TidemillError
from tidemill.home import Home
from tidemill.outcome import Outcome, TrainingOutcome


def record(
    home: str, objective: str, outcome: Outcome, reason: str, version: str | None = None
) -> None:
    """Write the outcome of the training of `objective`, a name, as of now.

    A registry that cannot be written is said on stdout: what was done is done, and an error that
    is on its way must not be replaced by this one.
    """
    from tidemill.registry import Registry  # imports mlflow

    known = TrainingOutcome(datetime.now(UTC), outcome, reason, version)
    try:
        Registry(Home(Path(home))).record_outcome(objective, known)
    except Exception as error:  # recording must never hide why the step itself failed
        print(f"tidemill: the outcome could not be recorded: {error}", flush=True)


def record_failure(home: str, objective: str, error: Exception) -> None:
    """As `record`, for a step that raised `error`; `objective` is the objective's JSON."""
    try:
        name = json.loads(objective)["metadata"]["name"]
    except (ValueError, KeyError, TypeError):
        return  # the error itself is about the objective, which has no name to record it under
    outcome: Outcome = "not_ready" if isinstance(error, NotReadyError) else "failed"
    record(home, name, outcome, _sentence(error))


def _sentence(error: Exception) -> str:
    if not isinstance(error, TidemillError):
        return f"{type(error).__name__}: {error}"
    return f"{error.message}; {error.hint}" if error.hint else error.message
