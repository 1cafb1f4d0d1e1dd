"""What an experiment found: each metric of each treatment against the control. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np

from tidemill.objective.experimenting import Several
from tidemill_monitoring.experiments.effects import Interval
from tidemill_monitoring.experiments.estimates import past_correlation
from tidemill_monitoring.experiments.guardrails import Guard, guard
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.measured import Measured
from tidemill_monitoring.experiments.metrics import Metric
from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.multiplicity import benjamini_hochberg, holm
from tidemill_monitoring.experiments.readings import Reading, read
from tidemill_monitoring.experiments.second_opinion import Opinion, normal_opinion

_ADJUSTMENTS: dict[Several, Callable[[Array], Array]] = {
    "holm": holm,
    "benjamini-hochberg": benjamini_hochberg,
}


@dataclass(frozen=True)
class Finding:
    """A metric of one treatment against the control."""

    metric: Metric
    treatment: int
    """Which arm; the control is 0."""
    reading: Reading
    p_value: float
    """Valid at the newest look, accounting for the others of its family; 1 without a look."""
    variance_left: float
    """What the past before the exposure leaves of the variance; 1 where it says nothing."""
    opinion: Opinion | None
    """Of a gain, in the metric's unit: positive is good."""
    guard: Guard | None = None
    """For guardrails."""
    margin: float = 0.0

    @property
    def has_look(self) -> bool:
        return len(self.reading.days) > 0


def find(measured: Measured, plans: Sequence[SequentialPlan]) -> list[Finding]:
    """The metric of every treatment, with a plan for each; p-values stand alone as yet."""
    arms = measured.arms()
    is_ratio = measured.metric.is_ratio
    readings = read(arms, plans, is_ratio=is_ratio, uses_past=True)
    pooled = reduce(add, arms)
    rho = float(past_correlation(pooled, is_ratio)[-1]) if len(pooled.units) else 0.0
    return found(measured.metric, readings, 1 - rho**2)


def found(metric: Metric, readings: Sequence[Reading], variance_left: float) -> list[Finding]:
    """Findings of a metric's readings."""
    return [
        Finding(metric, place + 1, reading, _newest(reading.p_values, 1.0), variance_left, None)
        for place, reading in enumerate(readings)
    ]


def with_opinions(findings: Sequence[Finding], smallest_effect: float) -> list[Finding]:
    """With a second opinion, which expects a third of all effects to matter: their standard
    deviation is the smallest one that does."""
    return [replace(each, opinion=_opinion(each, smallest_effect)) for each in findings]


def with_each_other(findings: Sequence[Finding], several: Several) -> list[Finding]:
    """One family of hypotheses, whose p-values account for each other."""
    if not findings:
        return []
    adjusted = _ADJUSTMENTS[several](np.array([each.p_value for each in findings]))
    return [replace(each, p_value=float(p)) for each, p in zip(findings, adjusted, strict=True)]


def guarded(finding: Finding, margin: float) -> Finding:
    """Judged as a guardrail."""
    if not finding.has_look:
        return replace(finding, guard=Guard.UNDECIDED, margin=margin)
    bounds = finding.reading.lift
    newest = Interval(bounds.lower[-1], bounds.upper[-1])
    if finding.metric.is_lower_better:
        newest = _mirrored(newest)
    return replace(finding, guard=guard(newest, margin), margin=margin)


def _opinion(finding: Finding, smallest_effect: float) -> Opinion | None:
    if not finding.has_look:
        return None
    effect = finding.reading.effect
    sign = -1 if finding.metric.is_lower_better else 1
    prior = smallest_effect * abs(float(effect.control.value[-1]))
    error = float(effect.standard_error[-1])
    if prior == 0 or error == 0:
        return None
    return normal_opinion(sign * float(effect.difference[-1]), error, prior)


def _mirrored(bounds: Interval) -> Interval:
    return Interval(-bounds.upper, -bounds.lower)


def _newest(values: Array, otherwise: float) -> float:
    return float(values[-1]) if len(values) else otherwise
