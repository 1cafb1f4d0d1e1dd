"""Numbers with their uncertainty, and when a ratio is too far from 1 to be chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.verdicts import Status

RATIO_WATCH, RATIO_ACT = 1.1, 1.25
"""How far predicted over observed, or a base rate over the trained one, may be from 1."""
_INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% bootstrap interval."""

    observed: float
    lower: float
    upper: float

    @classmethod
    def of(cls, observed: float, draws: NDArray[np.floating]) -> Estimate:
        if np.isnan(draws).all():
            return cls(observed, float("nan"), float("nan"))
        lower, upper = np.nanquantile(draws, _INTERVAL)
        return cls(observed, float(lower), float(upper))


def wilson_interval(hits: int, rows: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927); sound for shares near 0."""
    z, share = 1.96, hits / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def judge_ratio(lower: float, upper: float) -> Status:
    """Is the whole interval of a ratio beyond the watch or the act band around 1?"""
    if lower > RATIO_ACT or upper < 1 / RATIO_ACT:
        return Status.ACT
    if lower > RATIO_WATCH or upper < 1 / RATIO_WATCH:
        return Status.WATCH
    return Status.OK
