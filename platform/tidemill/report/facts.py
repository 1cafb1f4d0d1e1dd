"""Gathers everything the page shows; reads, never computes or writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Generic, TypeVar

from tidemill.bundle import BundleMetadata
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.registry import CHAMPION, Registry
from tidemill.report.history import MonitorRun, monitor_runs
from tidemill.report.live import (
    ChoiceJudgement,
    Judgement,
    LiveModel,
    Metadata_co,
    SegmentJudgement,
    ValueJudgement,
    read_choice_judgement,
    read_judgement,
    read_live,
    read_segment_judgement,
    read_value_judgement,
)
from tidemill.segmentation.bundle import SegmentationMetadata

Found_co = TypeVar(
    "Found_co",
    bound=Judgement | ChoiceJudgement | SegmentJudgement | ValueJudgement,
    covariant=True,
)

RUNS_SHOWN = 12
"""Newest monitor runs on the page; an hourly monitor leaves hundreds."""


@dataclass(frozen=True)
class Version:
    """One registered version and how it fared."""

    version: str
    live: bool
    aliases: tuple[str, ...]
    registered_at: datetime
    reason: str
    """Why it was trained."""
    gate: str
    """What the gate said."""
    promoted: str | None
    """Why it was promoted; None when it never was."""

    @property
    def is_by_hand(self) -> bool:
        """It was made live for another reason than the gate's."""
        return self.promoted is not None and self.promoted != self.gate


@dataclass(frozen=True)
class ReportFacts(Generic[Metadata_co, Found_co]):
    """All that the page is made of."""

    home: Home
    objective: Objective
    live: LiveModel[Metadata_co]
    judgement: Found_co
    versions: tuple[Version, ...]
    """Newest first."""
    runs: tuple[MonitorRun, ...]
    """Newest first, at most RUNS_SHOWN."""

    @property
    def live_version(self) -> Version | None:
        return next((v for v in self.versions if v.version == self.live.version), None)

    @property
    def objective_changed(self) -> bool:
        """The objective asks something else now than what the live model was trained for."""
        return self.live.metadata.objective_hash != self.objective.hash

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """The newest comparison of the live version's promises with what happened."""
        for run in self.runs:
            found = run.evidence("performance")
            if "grades" in found and found["model_version"] == self.live.version:
                return found
        return None

    @property
    def happened(self) -> Mapping[str, Any]:
        """What the newest run measured of the live version's answers; empty before that."""
        for run in self.runs:
            found = run.evidence("performance")
            if found.get("model_version") == self.live.version:
                return found
        return {}

    @property
    def outcomes_due(self) -> datetime | None:
        """When the first outcomes can be known, where the monitor said so."""
        for run in self.runs:
            due = run.evidence("performance").get("outcomes_known_at")
            if due is not None:
                return datetime.fromisoformat(due)
        return None

    def followed(self, run: MonitorRun) -> list[Version]:
        """Versions trained because of this run; the registry keeps the reason's beginning."""
        if not run.retrain:
            return []
        return [v for v in self.versions if v.reason and run.reason.startswith(v.reason)]

    def cause(self, version: Version) -> MonitorRun | None:
        """The run that asked for this version."""
        return next((run for run in self.runs if version in self.followed(run)), None)


class PredictionFacts(ReportFacts[BundleMetadata, Judgement]):
    """Of a model that predicts an outcome."""


class ChoiceFacts(ReportFacts[RecommenderMetadata, ChoiceJudgement]):
    """Of a model that chooses items."""


class SegmentFacts(ReportFacts[SegmentationMetadata, SegmentJudgement]):
    """Of a model that divides users into segments."""

    @property
    def drift(self) -> Mapping[str, Any]:
        """What the newest run found of the live version's segments; empty before that."""
        for run in self.runs:
            found = run.evidence("drift")
            if "psi" in found and run.model_version == self.live.version:
                return found
        return {}


class ValueFacts(ReportFacts[BundleMetadata, ValueJudgement]):
    """Of a model that predicts the value of customers."""


AnyFacts = PredictionFacts | ChoiceFacts | SegmentFacts | ValueFacts


def gather(home: Home, objective: Objective) -> AnyFacts:
    """Raises BundleError when the objective has no live model."""
    live = read_live(home, objective.name)
    versions = read_versions(home, objective.name)
    runs = tuple(islice(monitor_runs(home, objective.name), RUNS_SHOWN))
    if isinstance(live.metadata, RecommenderMetadata):
        chooser = LiveModel(live.version, live.metadata)
        judged = read_choice_judgement(home, objective.name)
        return ChoiceFacts(home, objective, chooser, judged, versions, runs)
    if isinstance(live.metadata, SegmentationMetadata):
        divider = LiveModel(live.version, live.metadata)
        found = read_segment_judgement(home, objective.name)
        return SegmentFacts(home, objective, divider, found, versions, runs)
    predictor = LiveModel(live.version, live.metadata)
    if live.metadata.value is not None:
        valued = read_value_judgement(home, objective.name)
        return ValueFacts(home, objective, predictor, valued, versions, runs)
    measured = read_judgement(home, objective.name)
    return PredictionFacts(home, objective, predictor, measured, versions, runs)


def read_versions(home: Home, objective: str) -> tuple[Version, ...]:
    """What the registry holds, newest first. Raises BundleError when it cannot be asked."""
    return tuple(
        Version(
            version=each["version"],
            live=CHAMPION in each["aliases"],
            aliases=tuple(each["aliases"]),
            registered_at=datetime.fromtimestamp(each["created_ms"] / 1000, tz=UTC),
            reason=each["tags"].get("tidemill.reason", ""),
            gate=each["tags"].get("tidemill.gate", ""),
            promoted=each["tags"].get("tidemill.promoted"),
        )
        for each in Registry(home).versions(objective)
    )
