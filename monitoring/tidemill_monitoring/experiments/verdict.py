"""What an experiment says about a treatment, and whether anything to come could change that. Pure.

The primary metric decides alone; guardrails can only forbid. A treatment that is better is taken at
once when every guardrail is known to be safe, and otherwise at the planned size, if none has been
hurt by then: an early win must not outrun what it may cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tidemill.experiments.standing import Step
from tidemill_monitoring.experiments.guardrails import Guard
from tidemill_monitoring.experiments.looks import LEAST_ACTIVE
from tidemill_monitoring.experiments.readings import Reading

LAUNCH_POWER = 0.85
"""What a launch is planned for: a guardrail that is hurt by chance takes some of it away, and 80%
must be left."""


class Answer(StrEnum):
    """Whether the treatment is better than the control."""

    BETTER = "better"
    WORSE = "worse"
    HARMFUL = "harmful"
    """A guardrail is hurt, whatever the primary metric says."""
    NO_DIFFERENCE_YET = "no difference yet"
    NO_DIFFERENCE = "no difference"
    """None was noticed within the planned size."""
    CANNOT_SAY = "cannot say"


@dataclass(frozen=True)
class Verdict:
    """On one treatment."""

    answer: Answer
    is_final: bool
    """Whether the experiment has done what it was for, or never can."""
    reason: str
    """The clause that follows the answer and a colon."""

    @property
    def step(self) -> Step:
        """What becomes of a challenger that is this treatment."""
        if not self.is_final:
            return "go on"
        return "promote" if self.answer is Answer.BETTER else "roll back"


def judge(
    primary: Reading,
    guards: Mapping[str, Guard],
    units: float,
    *,
    is_mismatch: bool,
    is_lower_better: bool = False,
) -> Verdict:
    """The verdict on a treatment by the newest look of its `primary` metric.

    `guards` are the guardrails by metric, `units` those of control and treatment whose window has
    closed, and `is_mismatch` says that the sample ratio is broken. Of several treatments, each
    reading's plan has its part of alpha.
    """
    is_over = primary.plan.ends and units >= primary.plan.planned_units
    if is_mismatch:
        return Verdict(Answer.CANNOT_SAY, True, "the arms are not as large as was declared")
    hurt = [metric for metric, found in guards.items() if found is Guard.HARMED]
    if hurt:
        return Verdict(Answer.HARMFUL, True, f"{' and '.join(hurt)} got worse")
    if not len(primary.days):
        few = f"an arm has fewer than {LEAST_ACTIVE} users with a value"
        return Verdict(Answer.CANNOT_SAY, is_over, few)
    lower, upper = primary.difference.lower[-1], primary.difference.upper[-1]
    bounds = (-upper, -lower) if is_lower_better else (lower, upper)
    return _by_bounds(bounds, lift_in_words(primary), guards, is_over)


def _by_bounds(
    bounds: tuple[float, float], shown: str, guards: Mapping[str, Guard], is_over: bool
) -> Verdict:
    """`bounds` are those of the gain."""
    lower, upper = bounds
    if upper < 0:
        return Verdict(Answer.WORSE, True, shown)
    if lower > 0:
        unknown = [metric for metric, found in guards.items() if found is Guard.UNDECIDED]
        until = "" if is_over or not unknown else f"; {' and '.join(unknown)} may still be hurt"
        return Verdict(Answer.BETTER, is_over or not unknown, f"{shown}{until}")
    if is_over:
        return Verdict(Answer.NO_DIFFERENCE, True, f"{shown} at the planned size")
    return Verdict(Answer.NO_DIFFERENCE_YET, False, shown)


def lift_in_words(reading: Reading) -> str:
    """`+4.1% (+1.2% to +7.0%)`: the newest look's relative lift and its bounds by all looks."""
    lift, bounds = reading.effect.lift[-1], reading.lift
    return f"{lift:+.1%} ({bounds.lower[-1]:+.1%} to {bounds.upper[-1]:+.1%})"
