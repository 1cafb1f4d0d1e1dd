"""What an experiment found, in sentences for whoever has to decide."""

from __future__ import annotations

from datetime import UTC, timedelta

import numpy as np

from tidemill_monitoring.experiments.analysis import Analysis
from tidemill_monitoring.experiments.findings import Finding
from tidemill_monitoring.experiments.metrics import Metric
from tidemill_monitoring.experiments.verdict import Answer, Verdict


def headline(analysis: Analysis) -> str:
    """The one sentence: what to do, and why."""
    return " ".join(
        _advice(analysis, finding, verdict)
        for finding, verdict in zip(analysis.primary, analysis.verdicts, strict=True)
    )


def of_finding(analysis: Analysis, finding: Finding) -> str:
    """`order: 10.2% of users against 8.5%, +20.7% (+8.9% to +33.6%)`, and what that means."""
    name, arm = finding.metric.name, analysis.arm(finding)
    if not finding.has_look:
        return f"`{name}`: too few users of `{arm}` or of the control have a value yet."
    values = f"{value_of(finding, 1)} in `{arm}` against {value_of(finding, 0)}"
    return f"`{name}`: {values}, {lift_of(finding)}. {_meaning(analysis, finding)}"


def of_opinion(finding: Finding) -> str:
    """The second opinion, in words that an interval may not use."""
    if finding.opinion is None:
        return "no second opinion yet"
    better = finding.opinion.probability_better
    shown = "over 99.9%" if better > 0.999 else "under 0.1%" if better < 0.001 else f"{better:.1%}"
    control = abs(float(finding.reading.effect.control.value[-1]))
    loss = finding.opinion.expected_loss / control if control else 0.0
    return f"better with a probability of {shown}; choosing it would cost {loss:.2%} on average"


def of_ratio(analysis: Analysis) -> str:
    """Whether the arms are as large as they should be."""
    ratio = analysis.ratio
    if ratio is None:
        return _without_anybody(analysis)
    arms = analysis.experiment.arms
    found = ", ".join(
        f"`{arm.name}` {count:,.0f} (expected {expected:,.0f})"
        for arm, count, expected in zip(arms, ratio.counts, ratio.expected, strict=True)
    )
    if ratio.is_mismatch:
        return (
            f"The arms are not as large as was declared: {found}. Something loses users of one "
            "arm, so no effect can be believed. Find what it is, then start a new experiment."
        )
    return f"The arms are as large as was declared: {found}."


def _without_anybody(analysis: Analysis) -> str:
    run = analysis.experiment
    if analysis.until > run.started_at:
        return "Nobody was exposed yet."
    first = run.started_at.astimezone(UTC).date() + timedelta(days=1)
    return (
        f"There is no look yet: the first is at {first} 00:00 UTC, once events from until then are "
        "imported."
    )


def value_of(finding: Finding, place: int) -> str:
    """The control's value (0) or the treatment's (1), as people say it."""
    effect = finding.reading.effect
    value = float((effect.treatment if place else effect.control).value[-1])
    return spell_value(finding.metric, value)


def spell_value(metric: Metric, value: float) -> str:
    """`8.5% of users`, `1.31 a user`, `0.42 per visit`."""
    if metric.is_once:
        digits = 1 if value >= 0.1 else 2
        return f"{100 * value:.{digits}f}% of users"
    unit = "a user" if metric.per is None else f"per {metric.per.event or 'event'}"
    return f"{value:,.4g} {unit}"


def lift_of(finding: Finding) -> str:
    """`+20.7% (+8.9% to +33.6%)`."""
    lift = float(finding.reading.effect.lift[-1])
    return f"{spell_lift(lift)} ({bounds_of(finding)})"


def bounds_of(finding: Finding) -> str:
    """`+8.9% to +33.6%`, by all looks."""
    bounds = finding.reading.lift
    lower, upper = float(bounds.lower[-1]), float(bounds.upper[-1])
    if not np.isfinite(lower) or not np.isfinite(upper):
        difference = finding.reading.difference
        is_above, is_below = difference.lower[-1] > 0, difference.upper[-1] < 0
        return "above 0" if is_above else "below 0" if is_below else "anything yet"
    return f"{spell_lift(lower)} to {spell_lift(upper)}"


def spell_lift(lift: float) -> str:
    """With a sign, and as many digits as matter."""
    return "no lift" if np.isnan(lift) else f"{lift:+.1%}" if abs(lift) >= 0.01 else f"{lift:+.2%}"


def remaining_of(analysis: Analysis, treatment: int) -> str:
    """How far the experiment has come, a sentence."""
    plan = analysis.primary[treatment - 1].reading.plan
    there = analysis.closed[0] + analysis.closed[treatment]
    if not plan.ends:
        return f"It has no planned end; {there:,} users are observed to the end of their window."
    share = min(there / plan.planned_units, 1.0)
    return f"{there:,} of {plan.planned_units:,.0f} planned users ({share:.0%}) are observed."


def is_better(finding: Finding) -> bool:
    """Whether the newest estimate is a gain."""
    is_higher = float(finding.reading.effect.difference[-1]) > 0
    return is_higher != finding.metric.is_lower_better


def _advice(analysis: Analysis, finding: Finding, verdict: Verdict) -> str:
    arm, control = f"`{analysis.arm(finding)}`", f"`{analysis.experiment.arms[0].name}`"
    if verdict.answer is Answer.CANNOT_SAY:
        is_broken = analysis.ratio is not None and analysis.ratio.is_mismatch
        if is_broken:
            return of_ratio(analysis)
        when = (
            "At the planned size nothing can be said of"
            if verdict.is_final
            else "Too early to judge"
        )
        return f"{when} {arm}: {verdict.reason}."
    if verdict.answer is Answer.HARMFUL:
        return f"Stop {arm}: {verdict.reason}, beyond doubt."
    has_ended = analysis.experiment.ended_at is not None
    shown = f"`{finding.metric.name}` {lift_of(finding)}"
    safe = ", and no guardrail is hurt" if analysis.guardrails else ""
    better = f"Choose {arm}: it is better, {shown}{safe}."
    if not verdict.is_final:
        go_on = "" if has_ended else "go on: "
        better = f"{arm} is better, {shown}, but {go_on}a guardrail may still be hurt."
    rest = remaining_of(analysis, finding.treatment)
    undecided = f"{arm} is neither better nor worse yet, {shown}. {rest}"
    return {
        Answer.BETTER: better,
        Answer.WORSE: f"Keep {control}: {arm} is worse, {shown}.",
        Answer.NO_DIFFERENCE: f"Keep {control}: no difference of {arm} was noticed, {shown}.",
        Answer.NO_DIFFERENCE_YET: f"{'It has ended' if has_ended else 'Go on'}: {undecided}",
    }[verdict.answer]


def _meaning(analysis: Analysis, finding: Finding) -> str:
    if finding.guard is not None:
        margin = (
            f"{finding.margin:.3g}" if finding.margin < 1e-4 else f"{100 * finding.margin:.3g}%"
        )
        return {
            "safe": f"It is not worse by {margin} or more: safe.",
            "harmed": "It is worse: hurt.",
            "undecided": f"Whether it is worse by {margin} is not known yet.",
        }[finding.guard.value]
    if finding.p_value > analysis.declared.alpha:
        return "That may be chance."
    return f"That is {'better' if is_better(finding) else 'worse'}, not chance."
