"""The size an experiment is judged by, fixed when it is first looked at."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tidemill.experiments.running import Experiment
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.planning import POWER, Comparison
from tidemill_monitoring.experiments.verdict import LAUNCH_POWER

UNKNOWN_UNITS = 10_000.0
"""Where history says nothing: the size at which looks without an end are most precise."""


@dataclass(frozen=True)
class PlannedSize:
    """How many units were promised to be enough, and for what."""

    units: float
    """All exposed units, in whichever arm."""
    days: int | None
    """At the traffic of then; None where no size within reach is enough, or history is too short.
    Such an experiment is looked at without an end."""
    power: float
    lift: float
    """The relative lift that is noticed with that power."""
    reason: str = ""
    """Why there is no end."""


def comparison_of(declared: DeclaredExperiment, treatment: int) -> Comparison:
    """A treatment, counted from 1, against the control, with its part of alpha."""
    arms = declared.every_arm
    return Comparison(
        float(arms[0].share),
        float(arms[treatment].share),
        declared.alpha / (len(arms) - 1),
        LAUNCH_POWER if declared.promote else POWER,
    )


def sequential_plan(
    declared: DeclaredExperiment, size: PlannedSize, comparison: Comparison
) -> SequentialPlan:
    """How a comparison is looked at. A holdout stays, and a bandit goes on: they have no end."""
    ends = size.days is not None and declared.holdout is None and not declared.bandit
    return SequentialPlan(size.units * comparison.shares, comparison.alpha, ends)


def load_planned(path: Path) -> PlannedSize | None:
    """What was kept; None before the first look."""
    return PlannedSize(**orjson.loads(path.read_bytes())) if path.exists() else None


def keep_planned(path: Path, size: PlannedSize) -> None:
    """Keep it for good; a reader finds all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(orjson.dumps(asdict(size), option=orjson.OPT_INDENT_2))
    draft.replace(path)


def declared_of(experiment: Experiment) -> DeclaredExperiment:
    """What was declared when it started."""
    return DeclaredExperiment.model_validate(experiment.declared)
