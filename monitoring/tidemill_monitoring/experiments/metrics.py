"""Metrics of an experiment, ready to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tidemill.objective import Target
from tidemill.objective.experimenting import DeclaredExperiment, DeclaredMetric, Kind
from tidemill_features.sql import DAY_US

_LEAST_PAST = timedelta(days=28)
"""A longer past than the window tells more of a user: over weeks habits show, over days chance."""


@dataclass(frozen=True)
class Amount:
    """What matching events add up to."""

    event: str | None
    """None stands for any event."""
    where: Mapping[str, str]
    value: str | None
    """`value` or `property.<name>`; None adds 1 for each event."""


@dataclass(frozen=True)
class Metric:
    """What is counted for each unit from its exposure on, and by the same rule before.

    Before, up to as many conversions count as the past holds windows, and caps are as much higher.
    """

    name: str
    kind: Kind
    amount: Amount
    per: Amount | None
    """Of a ratio, what it is divided by."""
    within: timedelta
    winsorise: float | None
    is_lower_better: bool = False

    @classmethod
    def of(cls, declared: DeclaredMetric) -> Metric:
        """Of a metric whose window is known."""
        if declared.within is None:
            raise ValueError(f"the metric '{declared.name}' has no window")
        return cls(
            declared.name,
            declared.kind,
            Amount(declared.event, declared.where, declared.value),
            None if declared.per is None else Amount(declared.per, {}, None),
            declared.within,
            declared.winsorise,
            declared.better == "lower",
        )

    @property
    def is_ratio(self) -> bool:
        return self.per is not None

    @property
    def is_once(self) -> bool:
        """Whether a unit has it or not."""
        return self.kind == "conversion"

    @property
    def width(self) -> int:
        """Columns of `Moments`: the metric's own, and the same before the exposure."""
        return 4 if self.is_ratio else 2

    @property
    def within_us(self) -> int:
        return self.within // timedelta(microseconds=1)

    @property
    def past(self) -> timedelta:
        """How far before the exposure the same metric is looked at."""
        return max(self.within, _LEAST_PAST)

    @property
    def past_us(self) -> int:
        return self.past // timedelta(microseconds=1)

    @property
    def windows_before(self) -> float:
        """How many windows the past holds."""
        return self.past_us / self.within_us

    @property
    def whole_days(self) -> int:
        """Days until every unit of a day has been observed to the end."""
        return -(-self.within_us // DAY_US)


def metrics_of(declared: DeclaredExperiment, target: Target) -> list[Metric]:
    """All metrics, the primary first."""
    return [Metric.of(each) for each in declared.measured(target)]
