"""What the serving pods say about a version: the one truth in every deployment mode."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_WAITING_IS_NORMAL = {"ContainerCreating", "PodInitializing"}
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class VersionPods:
    """The pods that run one version."""

    ready: int = 0
    total: int = 0
    problem: str = ""
    """Why one of them is not ready, if it says so."""


def pods_of_version(pods: Iterable[dict[str, Any]], version: str) -> VersionPods:
    """Count the pods whose server was started with the folder of `version`; those that have ended,
    were evicted, or are being deleted no longer count.
    """
    chosen = [pod for pod in pods if _serves(pod, version) and _lives(pod)]
    waiting = [pod for pod in chosen if not _is_ready(pod)]
    problems = [problem for pod in waiting if (problem := _problem(pod))]
    return VersionPods(len(chosen) - len(waiting), len(chosen), problems[0] if problems else "")


def _serves(pod: dict[str, Any], version: str) -> bool:
    arguments = [arg for box in pod["spec"]["containers"] for arg in box.get("args", [])]
    return any(
        arg.startswith("--model-dir=") and arg.rsplit("/", 1)[-1] == version for arg in arguments
    )


def _lives(pod: dict[str, Any]) -> bool:
    has_ended = pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}
    return not has_ended and "deletionTimestamp" not in pod["metadata"]


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def _problem(pod: dict[str, Any]) -> str:
    status = pod.get("status", {})
    for found in status.get("conditions", []):
        if found["type"] == "PodScheduled" and found["status"] == "False":
            return _words("Unschedulable", found.get("message", ""))
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting and waiting.get("reason") not in _WAITING_IS_NORMAL:
            last = container.get("lastState", {}).get("terminated", {}).get("message", "")
            return _words(waiting.get("reason", "waiting"), last or waiting.get("message", ""))
    return ""


def _words(reason: str, message: str) -> str:
    return f"{reason}: {message[:_LONGEST_MESSAGE]}" if message else reason
