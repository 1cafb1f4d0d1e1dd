"""The monitor's newest verdict, from the termination messages of its pods."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tidemill.objective.status import ExperimentStatus, MonitoringStatus


@dataclass(frozen=True)
class MonitorOutcome:
    """What became of the newest finished monitor."""

    verdict: MonitoringStatus | None
    """None when it failed."""
    failure: str = ""
    """What it said then."""
    experiment: ExperimentStatus | None = None
    """How the newest experiment stands; None where none was looked at."""


def newest_verdict(pods: Iterable[dict[str, Any]]) -> MonitorOutcome | None:
    """From the monitoring pods of one Objective; None while none has finished."""
    ended = [state for pod in pods for state in _terminated(pod)]
    if not ended:
        return None
    newest = max(ended, key=lambda state: state.get("finishedAt") or "")
    message = newest.get("message", "").strip()
    if newest.get("exitCode") != 0:
        return MonitorOutcome(None, _last_line(message) or f"exit code {newest.get('exitCode')}")
    try:
        return _verdict(json.loads(message))
    except (json.JSONDecodeError, ValidationError):
        return MonitorOutcome(None, f"it ended without a verdict: {_last_line(message)}")


def _verdict(facts: Any) -> MonitorOutcome:
    verdict = MonitoringStatus.model_validate(facts)
    found = facts.get("experiment")
    experiment = None if found is None else ExperimentStatus.model_validate(found)
    return MonitorOutcome(verdict, experiment=experiment)


def _terminated(pod: dict[str, Any]) -> list[dict[str, Any]]:
    containers = pod.get("status", {}).get("containerStatuses", [])
    states = [container.get("state", {}).get("terminated") for container in containers]
    return [state for state in states if state]


def _last_line(message: str) -> str:
    return message.splitlines()[-1] if message else ""
