"""Metrics that must not get worse: non-inferiority with a margin."""

from __future__ import annotations

from enum import StrEnum

from tidemill_monitoring.experiments.effects import Interval


class Guard(StrEnum):
    """What is known about a guardrail."""

    SAFE = "safe"
    """Not worse by as much as the margin."""
    HARMED = "harmed"
    """Worse, and perhaps by more than the margin."""
    UNDECIDED = "undecided"


def guard(lift: Interval, margin: float) -> Guard:
    """Judge the `lift` (an interval of numbers) of a metric of which more is better.

    `margin` is the relative loss that would be accepted, 0.01 for 1%. The interval excludes what it
    excludes with confidence 1 - alpha, so SAFE is a one-sided test at alpha / 2 at most.
    """
    if lift.lower > -margin:
        return Guard.SAFE
    return Guard.HARMED if lift.upper < 0 else Guard.UNDECIDED
