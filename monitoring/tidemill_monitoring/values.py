"""Served values against the values of training: other units, and missing where none was missing.

A share of users counts as surely above a number when its lower bound at four standard errors is,
so that hundreds of features may be asked in every window without a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.intervals import wilson_interval
from tidemill_monitoring.verdicts import MINIMUM_USERS

OUTSIDE_WATCH, OUTSIDE_ACT = 0.02, 0.1
"""Share of values beyond 99.8% of those of training, surely."""
FACTOR_WATCH, FACTOR_ACT = 2.0, 8.0
"""How far the typical size must have moved as well. Seasons move it by less than pounds to
kilograms (2.2) or, for time since the last event, by little more; bits, days and cents move by 8,
24 and 100."""
MISSING_WATCH, MISSING_ACT = 0.05, 0.2
"""Share of users without a value where, at training, under 1% had none."""

_COMPLETE = 0.01
_TAIL = 0.001
_MINIMUM_VALUES = 50
_STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class ValueFault:
    """One feature whose values cannot be those of training."""

    name: str
    kind: str
    """out of range, or missing."""
    share: float
    """Of the values that leave the range, or of the users without a value."""
    is_act: bool
    lowest: float | None = None
    highest: float | None = None
    """Range that held 99.8% of the values other than zero at training."""
    factor: float | None = None
    """Typical size now over that of training; both without zeros."""


def find_value_faults(
    reference: NDArray[np.float32], current: NDArray[np.float32], names: Sequence[str]
) -> list[ValueFault]:
    """Compare vectors [users, features] served now with those of training; NaN is missing.

    Zeros are left out of the range: zero is the same in every unit. Empty below `MINIMUM_USERS`.
    """
    if min(len(reference), len(current)) < MINIMUM_USERS:
        return []
    found = []
    for index, name in enumerate(names):
        before, now = reference[:, index], current[:, index]
        found += [_newly_missing(name, before, now), _out_of_range(name, before, now)]
    return sorted((each for each in found if each is not None), key=lambda fault: -fault.share)


def _newly_missing(
    name: str, before: NDArray[np.float32], now: NDArray[np.float32]
) -> ValueFault | None:
    """A feature that is missing for everybody has disappeared, and is told as such elsewhere."""
    missing = int(np.isnan(now).sum())
    surely = _surely(missing, len(now))
    if np.isnan(before).mean() >= _COMPLETE or surely <= MISSING_WATCH or missing == len(now):
        return None
    return ValueFault(name, "missing", missing / len(now), surely > MISSING_ACT)


def _out_of_range(
    name: str, before: NDArray[np.float32], now: NDArray[np.float32]
) -> ValueFault | None:
    usual, served = (side[(side != 0) & ~np.isnan(side)] for side in (before, now))
    if min(len(usual), len(served)) < _MINIMUM_VALUES:
        return None
    lowest, highest = np.quantile(usual, [_TAIL, 1 - _TAIL])
    outside = int(((served < lowest) | (served > highest)).sum())
    # The ends of a small sample are themselves uncertain by a few of its values.
    surely = _surely(outside, len(served)) - 4 / len(usual)
    factor = _size(served) / _size(usual)
    moved = max(factor, 1 / factor)
    if surely <= OUTSIDE_WATCH or moved < FACTOR_WATCH:
        return None
    is_act = surely > OUTSIDE_ACT and moved >= FACTOR_ACT
    share = outside / len(served)
    return ValueFault(name, "out of range", share, is_act, float(lowest), float(highest), factor)


def _surely(hits: int, rows: int) -> float:
    return wilson_interval(hits, rows, _STANDARD_ERRORS)[0]


def _size(values: NDArray[np.float32]) -> float:
    return float(np.median(np.abs(values)))
