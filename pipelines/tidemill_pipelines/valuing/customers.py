"""Whom a lifetime value is about, and what is read of them."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.bundle import PopulationRule
from tidemill.objective import Objective
from tidemill.objective.valuing import LifetimeValue
from tidemill_features.aggregates import DAYS_EVER, DAYS_SINCE_FIRST, DAYS_SINCE_LAST, VALUE_EVER
from tidemill_features.catalog import Signal, feature_name


def value_of(objective: Objective) -> LifetimeValue:
    """Raises ValueError for an objective that predicts something else."""
    if objective.spec.lifetime_value is None:
        raise ValueError(f"'{objective.name}' is a {objective.type}, which predicts no value")
    return objective.spec.lifetime_value


def purchase_signal(objective: Objective) -> Signal:
    """The purchases, each with what it is worth."""
    block = value_of(objective)
    return Signal(block.event, block.where, block.value)


def customer_rule(objective: Objective) -> PopulationRule:
    """Who is predicted for: customers who bought lately."""
    days = objective.spec.population.active_within.total_seconds() / 86_400
    feature = feature_name(purchase_signal(objective), DAYS_SINCE_LAST.name)
    return PopulationRule(feature=feature, max_days=days)


@dataclass(frozen=True)
class HistoryColumns:
    """Where a feature vector holds what purchase processes read."""

    days: int
    value: int
    since_first: int
    since_last: int

    @classmethod
    def of(cls, signal: Signal, features: tuple[str, ...]) -> HistoryColumns:
        names = (DAYS_EVER, VALUE_EVER, DAYS_SINCE_FIRST, DAYS_SINCE_LAST)
        return cls(*(features.index(feature_name(signal, each.name)) for each in names))
