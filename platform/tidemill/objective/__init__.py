"""Objectives: what to predict, declared in YAML and checked before anything runs."""

from tidemill.objective.loading import check_objective, load_objective
from tidemill.objective.schema import Objective, Target
from tidemill.objective.store import (
    adopt_objective,
    keep_objective,
    known_objectives,
    refuse_alert,
    remember_objective,
    resolve_objective,
)

__all__ = [
    "Objective",
    "Target",
    "adopt_objective",
    "check_objective",
    "keep_objective",
    "known_objectives",
    "load_objective",
    "refuse_alert",
    "remember_objective",
    "resolve_objective",
]
