"""Whom the objective speaks about, and the simple rule a model has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import PopulationRule
from tidemill.objective import Objective
from tidemill_features.aggregates import DAYS_SINCE_LAST
from tidemill_features.catalog import Signal, feature_name

_NEVER = 1e9
"""Days; longer than anybody has waited."""


def target_signal(objective: Objective) -> Signal:
    """The user's own history of the target event: what every honest rule starts from."""
    return Signal(objective.target.event, objective.target.where)


def population_rule(objective: Objective) -> PopulationRule:
    """Who counts as active. For the absence of an event, those who did that event lately."""
    signal = target_signal(objective) if objective.target.absent else Signal(None)
    days = objective.spec.population.active_within.total_seconds() / 86_400
    return PopulationRule(feature=feature_name(signal, DAYS_SINCE_LAST.name), max_days=days)


def baseline_feature(objective: Objective) -> str:
    return feature_name(target_signal(objective), DAYS_SINCE_LAST.name)


def baseline_scores(objective: Objective, recency: NDArray[np.float32]) -> NDArray[np.float64]:
    """Recency alone: who did it last will do it again, or for absence, who has not will not."""
    days: NDArray[np.float64] = np.nan_to_num(recency.astype(np.float64), nan=_NEVER)
    return days if objective.target.absent else -days
