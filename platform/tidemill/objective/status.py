"""What the operator reports about an Objective: the schema of its `status` on Kubernetes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Phase(StrEnum):
    """The one word that `kubectl get objectives` shows."""

    PENDING = "Pending"
    TRAINING = "Training"
    REFUSED = "Refused"
    ROLLING_OUT = "RollingOut"
    SERVING = "Serving"
    WATCHING = "Watching"
    DEGRADED = "Degraded"
    FAILED = "Failed"


class _Block(BaseModel):
    # Status is written by the operator alone; a field of a newer release must not break an older.
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Condition(_Block):
    """One aspect of the objective's state, in Kubernetes' standard form."""

    type: Literal["Compiled", "Trained", "Serving", "Monitored", "Degraded"]
    """Which aspect."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str = Field(pattern=r"^[A-Za-z]+$", max_length=64)
    """Why, as one CamelCase word for machines."""
    message: str = Field(default="", max_length=2000)
    """Why, in a sentence that says what to do."""
    lastTransitionTime: datetime
    """When `status` last changed."""
    observedGeneration: int = 0
    """The generation of the spec this was found for."""


class TrainingStatus(_Block):
    """The newest training run."""

    name: str = ""
    """Display name of the run in Kubeflow Pipelines; one name is started at most once."""
    run: str = ""
    """Id of the run in Kubeflow Pipelines."""
    state: str = ""
    """State as Kubeflow Pipelines says it, or empty before the first run."""
    reason: str = ""
    """Why the run was started."""
    started: datetime | None = None
    """When the operator started it."""
    spec: str = ""
    """Hash of the objective it trained; another hash calls for another run."""
    request: str = ""
    """Value of the annotation `tidemill.dev/train` that was answered last."""
    schedule: str = ""
    """Name of the recurring run in Kubeflow Pipelines; empty for none."""
    retrained: datetime | None = None
    """When the last retraining that monitoring asked for began; the cooldown counts from it."""
    result: str = ""
    """What came of it, in a word: promoted, refused, not_ready or failed."""
    outcome: str = ""
    """The same in a sentence."""


class ServingStatus(_Block):
    """Which versions answer."""

    version: str = ""
    """The version that takes the traffic."""
    candidate: str = ""
    """The version being rolled out, if any."""
    since: datetime | None = None
    """When the candidate's rollout began."""
    rejected: str = ""
    """The champion that was rolled back; it is not tried again until the champion changes."""
    cause: str = ""
    """Why it was rolled back, or cannot be rolled out."""
    request: str = ""
    """Value of the annotation `tidemill.dev/rollout` that was answered last."""


class MonitoringStatus(_Block):
    """The newest verdict of the monitor."""

    at: datetime | None = None
    """The monitored instant."""
    status: str = ""
    """ok, watch, act or undecided."""
    drift: str = ""
    """The same for drift alone."""
    sentence: str = ""
    """The most serious verdict, in words."""
    retrain: bool = False
    """Whether the monitor asks for a retraining."""
    reason: str = ""
    """Why it does, or does not."""


class ArmStatus(_Block):
    """How many are in an arm of an experiment."""

    name: str
    """How the arm is called."""
    users: int = Field(default=0, ge=0)
    """Exposed so far."""


class ExperimentStatus(_Block):
    """The newest experiment, as it was found last."""

    name: str = ""
    """How it is called: the objective and a number."""
    at: datetime | None = None
    """The instant up to which it was judged."""
    arms: list[ArmStatus] = Field(default=[], max_length=16)
    """All arms, the control first."""
    arm: str = ""
    """The arm whose lift it is."""
    metric: str = ""
    """The metric that decides."""
    lift: str = ""
    """Relative to the control; empty before the first look."""
    interval: str = ""
    """Bounds of the lift that hold at all looks together."""
    verdict: str = ""
    """better, worse, harmful, no difference yet, no difference or cannot say."""
    sentence: str = ""
    """All of it in words."""


class ObjectiveStatus(_Block):
    """The whole status."""

    observedGeneration: int = 0
    """The generation of the spec that the operator has acted on."""
    type: str = ""
    """Type of the objective, propensity for example."""
    phase: Phase = Phase.PENDING
    """Where it stands, in a word."""
    modelVersion: str = ""
    """Version that answers."""
    quality: str = ""
    """AUC or NDCG of that version on its test window."""
    drift: str = ""
    """Newest verdict on drift."""
    lift: str = ""
    """What the newest experiment found, and whether it is more than chance: `+4.1% better`."""
    url: str = ""
    """Where predictions are answered."""
    conditions: list[Condition] = []
    """Compiled, Trained, Serving, Monitored, Degraded."""
    training: TrainingStatus = TrainingStatus()
    """The newest training run."""
    serving: ServingStatus = ServingStatus()
    """Which versions answer."""
    monitoring: MonitoringStatus = MonitoringStatus()
    """The newest verdict of the monitor."""
    experiment: ExperimentStatus = ExperimentStatus()
    """The newest experiment."""
