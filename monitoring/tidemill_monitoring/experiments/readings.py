"""What an experiment's looks say: from sums to sequential bounds, one reading a treatment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.experiments.bandit import inverse_propensity
from tidemill_monitoring.experiments.effects import Effect, Interval
from tidemill_monitoring.experiments.estimates import ArmEstimate, adjusted, estimate
from tidemill_monitoring.experiments.looks import (
    LEAST_ACTIVE,
    SequentialPlan,
    is_ready,
    look_critical_values,
    look_p_values,
    narrowed,
)
from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.steadying import steadied


@dataclass(frozen=True)
class Reading:
    """A treatment against the control after each day that counts as a look, perhaps none yet."""

    plan: SequentialPlan
    days: NDArray[np.intp]
    """[looks] which of the given days they are."""
    effect: Effect
    """[looks] as each look alone estimates it."""
    critical: Array
    """[looks] of the statistic's absolute value."""
    p_values: Array
    """[looks] valid at each of them, and never rising."""
    difference: Interval
    """[looks] of the difference, by all looks up to each."""
    lift: Interval
    """[looks] of the relative lift, by all looks up to each."""

    @property
    def decided_on(self) -> int | None:
        """The first day on which the effect was told apart from zero."""
        decided = self.p_values <= self.plan.alpha
        return int(self.days[decided.argmax()]) if decided.any() else None


def read(
    arms: Sequence[Moments],
    plans: Sequence[SequentialPlan],
    *,
    is_ratio: bool = False,
    uses_past: bool = False,
) -> list[Reading]:
    """Readings of `arms` [days, ...], cumulative, the control first; one plan a treatment."""
    days = np.flatnonzero(is_ready(*arms))
    looks = [arm.at(days) for arm in arms]
    found = adjusted(looks, is_ratio) if uses_past else [estimate(arm, is_ratio) for arm in looks]
    control, *treatments = steadied(looks, found)
    effects = [Effect(control, treatment) for treatment in treatments]
    return [
        _reading(effect, days, effect.control.units + effect.treatment.units, plan)
        for effect, plan in zip(effects, plans, strict=True)
    ]


def read_bandit(days: Moments, propensities: Array, plan: SequentialPlan) -> list[Reading]:
    """Readings of a bandit's arms, from moments and logged probabilities [days, arms] of the days
    themselves, the control first.

    Looked at without an end: a bandit has no planned size. Its information is what the variance
    says, not the number of units, because rarely chosen arms teach little; it is counted in those
    of the first look.
    """
    cumulated = days.cumulated()
    looks = np.flatnonzero((cumulated.active >= LEAST_ACTIVE).all(axis=1))
    control, *treatments = (
        ArmEstimate(arm.value[looks], arm.variance[looks], arm.units[looks])
        for arm in inverse_propensity(days, propensities)
    )
    exposed = cumulated.units.sum(axis=1)[looks]
    readings = []
    for treatment in treatments:
        effect = Effect(control, treatment)
        information = (exposed * effect.standard_error) ** 2
        units = exposed[:1] * information / information[:1]
        readings.append(_reading(effect, looks, units, replace(plan, ends=False)))
    return readings


def _reading(effect: Effect, days: NDArray[np.intp], units: Array, plan: SequentialPlan) -> Reading:
    critical = look_critical_values(units, plan)
    return Reading(
        plan,
        days,
        effect,
        critical,
        look_p_values(effect.statistic, units, plan),
        narrowed(effect.difference_interval(critical)),
        narrowed(effect.lift_interval(critical)),
    )
