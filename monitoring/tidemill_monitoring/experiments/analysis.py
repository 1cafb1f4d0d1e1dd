"""An experiment, analysed: from the logs to what each treatment does to each metric.

The sample ratio comes first, because nothing else can be believed where it is broken. The primary
metric decides, at alpha over all treatments; the other metrics are a family of their own; and
guardrails can only forbid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import numpy as np

from tidemill.experiments.running import Experiment
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill_monitoring.experiments.allocated import allocated_ratio, day_shares, read_allocated
from tidemill_monitoring.experiments.counted import Counted, count_all
from tidemill_monitoring.experiments.exploring import Segment, explore
from tidemill_monitoring.experiments.exposed import Asked, ExposureCounts, find_exposed
from tidemill_monitoring.experiments.findings import (
    Finding,
    find,
    found,
    guarded,
    with_each_other,
    with_opinions,
)
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.measured import Measured, Period, measure
from tidemill_monitoring.experiments.metrics import Metric, metrics_of
from tidemill_monitoring.experiments.planned import (
    PlannedSize,
    comparison_of,
    declared_of,
    keep_planned,
    load_planned,
    sequential_plan,
)
from tidemill_monitoring.experiments.promised import promised_size
from tidemill_monitoring.experiments.sample_ratio import SampleRatio, sample_ratio
from tidemill_monitoring.experiments.verdict import Verdict, judge


@dataclass(frozen=True)
class Analysis:
    """Everything one look at an experiment found."""

    experiment: Experiment
    declared: DeclaredExperiment
    metrics: Sequence[Metric]
    until: datetime
    """The end of the newest whole day (UTC) that is part of it."""
    size: PlannedSize
    exposed: ExposureCounts
    closed: Sequence[int]
    """[arms] units whose window of the primary metric has closed."""
    ratio: SampleRatio | None
    """None before anybody was exposed."""
    primary: Sequence[Finding]
    """[treatments]"""
    others: Sequence[Finding]
    """Of the other metrics, those that are no guardrails."""
    guardrails: Sequence[Finding]
    verdicts: Sequence[Verdict]
    """[treatments]"""
    segments: Sequence[Segment]
    """Exploratory, of the first treatment."""
    counted: Sequence[Counted]

    @property
    def units(self) -> Sequence[int]:
        """[arms] exposed so far, as they were assigned."""
        return [int(count) for count in self.exposed.units.sum(axis=0)]

    @property
    def planned_units(self) -> float | None:
        """All arms together; None for what has no end."""
        return self.size.units if self.primary[0].reading.plan.ends else None

    def arm(self, finding: Finding) -> str:
        """The treatment's name."""
        return self.experiment.arms[finding.treatment].name


def analyse(
    home: Home,
    objective: Objective,
    experiment: Experiment,
    con: duckdb.DuckDBPyConnection,
    at: datetime,
    by: str | None = None,
) -> Analysis:
    """The experiment as known at the midnight (UTC) before `at`.

    `con` has the views of the event log, and `exposures`. Segments `by` a property of events, or,
    if None, by whether a user was known before. Keeps the planned size at the first look.
    """
    declared = declared_of(experiment)
    metrics = metrics_of(declared, objective.target)
    asked = _asked(experiment, at)
    size = _size(home, experiment, declared, metrics[0], con)
    plans = [
        sequential_plan(declared, size, comparison_of(declared, treatment))
        for treatment in range(1, len(asked.arms))
    ]
    exposed = find_exposed(con, asked)
    period = Period(asked.started_at, asked.until)
    work = _Work(con, experiment, period, plans, declared.bandit)
    secondary = [finding for metric in metrics[1:] for finding in work.find(metric)[1]]
    # The primary last: segments are told from the outcomes that were measured last.
    measured, primary = work.find(metrics[0])
    segments = explore(con, measured, period, declared.alpha, by) if exposed.units.any() else []
    guardrails = _guarded(declared, secondary)
    guards = {each.metric.name for each in guardrails}
    others = [each for each in secondary if each.metric.name not in guards]
    ratio = _ratio(asked, experiment, exposed, size, plans[0])
    closed = [int(units) for units in measured.days.units.sum(axis=0)]
    smallest = float(declared.smallest_effect)
    return Analysis(
        experiment=experiment,
        declared=declared,
        metrics=metrics,
        until=asked.until,
        size=size,
        exposed=exposed,
        closed=closed,
        ratio=ratio,
        primary=with_opinions(with_each_other(primary, declared.several), smallest),
        others=with_opinions(with_each_other(others, declared.several), smallest),
        guardrails=with_opinions(guardrails, smallest),
        verdicts=[_verdict(each, guardrails, closed, ratio) for each in primary],
        segments=segments,
        counted=count_all(con, exposed, metrics, period),
    )


@dataclass(frozen=True)
class _Work:
    """How one metric after the other is measured."""

    con: duckdb.DuckDBPyConnection
    experiment: Experiment
    period: Period
    plans: Sequence[SequentialPlan]
    is_bandit: bool

    def find(self, metric: Metric) -> tuple[Measured, list[Finding]]:
        arms = len(self.experiment.arms)
        measured = measure(self.con, metric, arms, self.period)
        if not self.is_bandit:
            return measured, find(measured, self.plans)
        readings = read_allocated(self.con, self.experiment, measured, self.period, self.plans[0])
        return measured, found(metric, readings, 1.0)


def known_until(experiment: Experiment, at: datetime) -> datetime:
    """The end of the newest whole day (UTC) before `at`."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(midnight, experiment.started_at)


def _asked(experiment: Experiment, at: datetime) -> Asked:
    return Asked(
        experiment.name,
        experiment.arms,
        experiment.started_at,
        experiment.ended_at,
        known_until(experiment, at),
        daily=bool(experiment.declared["bandit"]),
    )


def _size(
    home: Home,
    experiment: Experiment,
    declared: DeclaredExperiment,
    primary: Metric,
    con: duckdb.DuckDBPyConnection,
) -> PlannedSize:
    """What was kept, or what the history before the start promises."""
    path = home.experiment_plan(experiment.objective, experiment.number)
    kept = load_planned(path)
    if kept is None:
        start = experiment.started_at.astimezone(UTC)
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        kept = promised_size(con, declared, primary, midnight)
        keep_planned(path, kept)
    return kept


def _guarded(declared: DeclaredExperiment, findings: Sequence[Finding]) -> list[Finding]:
    margins = {each.metric: float(each.margin) for each in declared.guardrails}
    return [
        guarded(each, margins[each.metric.name]) for each in findings if each.metric.name in margins
    ]


def _ratio(
    asked: Asked,
    experiment: Experiment,
    exposed: ExposureCounts,
    size: PlannedSize,
    plan: SequentialPlan,
) -> SampleRatio | None:
    if not exposed.units.any():
        return None
    if asked.daily:
        counts = exposed.units.astype(np.float64)
        return allocated_ratio(counts, day_shares(experiment, asked.days), size.units)
    shares = np.array([float(arm.share) for arm in asked.arms])
    begun = np.flatnonzero(exposed.cumulative.sum(axis=1))
    return sample_ratio(exposed.cumulative[begun], shares, size.units, ends=plan.ends)


def _verdict(
    finding: Finding,
    guardrails: Sequence[Finding],
    closed: Sequence[int],
    ratio: SampleRatio | None,
) -> Verdict:
    guards = {
        each.metric.name: each.guard
        for each in guardrails
        if each.treatment == finding.treatment and each.guard is not None
    }
    return judge(
        finding.reading,
        guards,
        float(closed[0] + closed[finding.treatment]),
        is_mismatch=ratio is not None and ratio.is_mismatch,
        is_lower_better=finding.metric.is_lower_better,
    )
