"""What a monitor says: one verdict per concern, and what follows from all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

VERDICT_FILE = "verdict.json"
"""Name of the file that keeps a run, in the folder of its instant."""
MINIMUM_USERS = 200
"""Fewer users decide nothing: at 200 a distribution's sampling noise reaches the effect floors."""
MINIMUM_OUTCOMES = 20
"""Fewer positives, or negatives, leave an AUC uncertain by more than 0.06."""


class Status(StrEnum):
    """How urgent a verdict is."""

    OK = "ok"
    WATCH = "watch"
    ACT = "act"
    UNDECIDED = "undecided"
    """Too little is known to say; the sentence tells what is missing."""


class Concern(StrEnum):
    """What a verdict is about, in the order in which a person should read them."""

    DATA_QUALITY = "data quality"
    SKEW = "training/serving skew"
    DRIFT = "drift"
    PERFORMANCE = "performance"
    BASE_RATE = "base rate"
    FEATURE_DECAY = "feature decay"
    SEGMENTS = "segments"
    ESTIMATE = "estimated performance"
    ONLINE_STORE = "online store"


@dataclass(frozen=True)
class Verdict:
    """One concern, judged."""

    concern: StrEnum
    """A Concern; verdicts on the event log itself have concerns of their own."""
    status: Status
    sentence: str
    """For a person: what is the case and what to do about it."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind it; JSON types only."""


@dataclass(frozen=True)
class Decision:
    """Whether to retrain now."""

    retrain: bool
    reason: str
    concerns: tuple[str, ...] = ()
    """The concerns a retraining would answer."""


@dataclass(frozen=True)
class MonitorRun:
    """Everything one run of the monitor found."""

    objective: str
    at: str
    """ISO 8601 instant, UTC, up to which the monitor looked."""
    window_days: int
    model_version: str
    verdicts: tuple[Verdict, ...]
    decision: Decision

    @property
    def status(self) -> Status:
        return worst(self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """The content of verdict.json."""
        return {"format": 1, "status": self.status.value, **asdict(self)}


def worst(verdicts: Sequence[Verdict]) -> Status:
    """The most urgent status; undecided only when nothing at all was decided."""
    found = {verdict.status for verdict in verdicts}
    return next(
        (status for status in (Status.ACT, Status.WATCH, Status.OK) if status in found),
        Status.UNDECIDED,
    )


def join_names(names: Sequence[str], limit: int = 3) -> str:
    """`a, b, c and 4 more`, each in backticks."""
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
