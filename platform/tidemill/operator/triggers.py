"""When a training run is due, and why: a pure function of what is declared and what was done.

Every cause has a name of its own, and Kubeflow Pipelines is asked for a run of that name before one
is started. So an operator that is killed between the start and its note of it starts no second one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidemill.cluster.resources import TRAIN_ANNOTATION
from tidemill.objective import Objective
from tidemill.objective.status import MonitoringStatus, TrainingStatus

_MORE_DATA = timedelta(days=1)
"""A refusal for want of data is cheap to ask again, and data keeps coming."""


@dataclass(frozen=True)
class Trigger:
    """A run that is due."""

    name: str
    """Display name of the run; one name is started at most once."""
    reason: str
    updates: dict[str, Any]
    """What the training status must remember about it."""


def due_run(
    owner: dict[str, Any],
    objective: Objective,
    training: TrainingStatus,
    monitoring: MonitoringStatus,
    now: datetime,
) -> Trigger | None:
    """The most important run that is due, or None. The caller sees that none is running."""
    metadata = owner["metadata"]
    prefix = run_prefix(owner)
    request = metadata.get("annotations", {}).get(TRAIN_ANNOTATION, "")
    if training.spec != objective.hash:
        reason = "the objective changed" if training.spec else "first run"
        updates = {"spec": objective.hash, "request": request}
        name = f"{prefix}-g{metadata['generation']}-{objective.hash[:6]}"
        return Trigger(name, reason, updates)
    if request != training.request and request:
        digest = hashlib.sha256(request.encode()).hexdigest()[:8]
        return Trigger(f"{prefix}-r{digest}", "asked for by hand", {"request": request})
    if training.result == "not_ready" and now >= (training.started or now) + _MORE_DATA:
        reason = "there was not enough data a day ago"
        return Trigger(f"{prefix}-d{now:%Y%m%d}", reason, {})
    return _retraining(prefix, objective, training, monitoring, now)


def run_prefix(owner: dict[str, Any]) -> str:
    """How the names of all runs and schedules of an Objective begin; one of the same name that was
    deleted and made again has another.
    """
    return f"{owner['metadata']['name']}-{owner['metadata']['uid'][:8]}"


def _retraining(
    prefix: str,
    objective: Objective,
    training: TrainingStatus,
    monitoring: MonitoringStatus,
    now: datetime,
) -> Trigger | None:
    """What the monitor asks for, at most once per verdict and cooldown."""
    if not monitoring.retrain or monitoring.at is None:
        return None
    last = training.retrained
    if last is not None and now < last + objective.spec.monitoring.retrain.cooldown:
        return None
    since = max((at for at in (last, training.started) if at is not None), default=None)
    if since is not None and monitoring.at <= since:
        return None  # it judged the model before the newest run
    name = f"{prefix}-m{monitoring.at:%Y%m%d%H%M%S}"
    return Trigger(name, f"monitor: {monitoring.reason}", {"retrained": now})
