"""What the operator reads from Kubeflow Pipelines' answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})


@dataclass(frozen=True)
class Version:
    """A pipeline version, by its ids."""

    pipeline: str
    version: str


@dataclass(frozen=True)
class Run:
    """One run of a pipeline."""

    id: str
    name: str
    state: str
    """PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, SKIPPED, CANCELING, PAUSED, or empty."""
    error: str
    """What Kubeflow says went wrong, step by step; empty when nothing did."""
    created: datetime | None

    @property
    def ended(self) -> bool:
        """Whether the state will not change any more."""
        return self.state in _ENDED


@dataclass(frozen=True)
class Schedule:
    """A recurring run."""

    id: str
    name: str


def read_run(answer: Any) -> Run:
    """A run from the generated client's V2beta1Run."""
    state = answer.state or ""
    return Run(
        id=answer.run_id,
        name=answer.display_name,
        state="" if state == "RUNTIME_STATE_UNSPECIFIED" else state,
        error=_failure(answer),
        created=answer.created_at,
    )


def read_schedule(answer: Any) -> Schedule:
    """A schedule from the generated client's V2beta1RecurringRun."""
    return Schedule(answer.recurring_run_id, answer.display_name)


def _failure(answer: Any) -> str:
    """The run's own error and those of its steps, each sentence once."""
    whole = [answer.error.message] if answer.error is not None else []
    details = answer.run_details.task_details if answer.run_details is not None else None
    steps = [
        f"{task.display_name}: {task.error.message}"
        for task in details or []
        if task.error is not None and task.error.message
    ]
    return "; ".join(dict.fromkeys(filter(None, whole + steps)))
