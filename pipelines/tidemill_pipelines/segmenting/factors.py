"""From declared factors to the features that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.objective.segmenting import Factor, Measure, Segmentation
from tidemill_features.aggregates import (
    ACTIVE_WEEKS,
    COUNT_EVER,
    DAYS_SINCE_LAST,
    VALUE_EVER,
)
from tidemill_features.catalog import Signal, feature_name


@dataclass(frozen=True)
class FactorColumn:
    """Where a factor is found among the features."""

    name: str
    measure: Measure
    signal: str
    """The events it is about."""
    feature: str
    count: str
    """Feature that counts the same events as far back."""


def factor_signals(segmentation: Segmentation) -> list[Signal]:
    """What has to be counted for the factors."""
    return [_signal(factor) for factor in segmentation.factors]


def factor_columns(segmentation: Segmentation) -> tuple[FactorColumn, ...]:
    """In the order of declaration."""
    return tuple(
        FactorColumn(
            factor.name,
            factor.measure,
            _signal(factor).name,
            feature_name(_signal(factor), _aggregate(factor)),
            feature_name(_signal(factor), _count(factor)),
        )
        for factor in segmentation.factors
    )


def features_of(columns: Sequence[FactorColumn]) -> tuple[str, ...]:
    """Each feature once, in the order of the factors."""
    return tuple(dict.fromkeys(column.feature for column in columns))


def _signal(factor: Factor) -> Signal:
    # What breakdowns sum reaches back so many days; what purchases sum, all the way.
    is_all = factor.measure == "value" and factor.within is None and bool(factor.where)
    return Signal(factor.event, factor.where, "value" if is_all else None)


def _aggregate(factor: Factor) -> str:
    if factor.measure == "recency":
        return DAYS_SINCE_LAST.name
    if factor.measure == "weeks":
        return ACTIVE_WEEKS.name
    if factor.measure == "value":
        return VALUE_EVER.name if factor.within is None else f"value_{factor.within}"
    return _count(factor)


def _count(factor: Factor) -> str:
    return COUNT_EVER.name if factor.within is None else f"count_{factor.within}"
