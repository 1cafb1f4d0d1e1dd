"""What a declared experiment can promise: its size and duration, and what it would notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np

from tidemill.errors import TidemillError
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill_monitoring.experiments.history import History, read_history
from tidemill_monitoring.experiments.metrics import Metric
from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.planned import UNKNOWN_UNITS, PlannedSize, comparison_of
from tidemill_monitoring.experiments.planning import (
    POWER,
    Baseline,
    Comparison,
    ExperimentPlan,
    detectable_lift,
    plan,
)

_WEEKS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Detectable:
    """The smallest relative lift noticed with the planned power within so many days."""

    days: int
    units: float
    lift: float


@dataclass(frozen=True)
class Promise:
    """Of one metric, for the treatment with the smallest share."""

    metric: Metric
    baseline: Baseline
    comparison: Comparison
    lift: float
    """What matters, relative to the control."""
    plan: ExperimentPlan | None
    """None where no size within a year is enough."""
    without_past: ExperimentPlan | None
    """The same without CUPED."""
    detectable: Sequence[Detectable] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric.name,
            "baseline": asdict(self.baseline),
            "smallest_effect": self.lift,
            "alpha": self.comparison.alpha,
            "target_power": self.comparison.power,
            "plan": None if self.plan is None else asdict(self.plan),
            "without_past": None if self.without_past is None else asdict(self.without_past),
            "detectable": [
                {**asdict(each), "lift": each.lift if np.isfinite(each.lift) else None}
                for each in self.detectable
            ],
        }


def promise(
    declared: DeclaredExperiment, metric: Metric, baseline: Baseline, history: History
) -> Promise:
    """Plan for one metric. Raises TidemillError where it never happened in history."""
    treatments = range(1, len(declared.every_arm))
    comparison = min((comparison_of(declared, t) for t in treatments), key=lambda c: c.shares)
    lift, observed = float(declared.smallest_effect), history.observed(metric)
    alone = replace(baseline, correlation=0.0)
    return Promise(
        metric,
        baseline,
        comparison,
        lift,
        plan(lift, baseline, comparison, observed),
        plan(lift, alone, comparison, observed),
    )


def with_detectable(found: Promise, history: History) -> Promise:
    """The promise, and what shorter and longer experiments would notice."""
    observed = history.observed(found.metric)
    lasting = [7 * weeks + found.metric.whole_days for weeks in _WEEKS]
    return replace(
        found,
        detectable=[
            Detectable(days, float(observed[days - 1]), _lift(found, observed[:days]))
            for days in lasting
            if days <= len(observed)
        ],
    )


def promised_size(
    con: duckdb.DuckDBPyConnection,
    declared: DeclaredExperiment,
    primary: Metric,
    at: datetime,
) -> PlannedSize:
    """The size for the primary metric by the history before `at`, a midnight; where history does
    not carry a plan, a size to look at without an end."""
    lift = float(declared.smallest_effect)
    try:
        history = read_history(con, [primary], at)
        found = promise(declared, primary, history.baselines[0], history)
    except TidemillError as error:
        return PlannedSize(UNKNOWN_UNITS, None, POWER, lift, error.message)
    if found.plan is None:
        most = float(history.observed(primary)[-1])
        reason = f"at present traffic a lift of {lift:.2%} is not noticed within a year"
        return PlannedSize(max(most, 1.0), None, POWER, lift, reason)
    return PlannedSize(found.plan.units, found.plan.days, found.plan.power, lift)


def _lift(found: Promise, observed: Array) -> float:
    """Infinite before the first window has closed."""
    if observed[-1] <= 0:
        return np.inf
    return detectable_lift(found.baseline, found.comparison, observed)
