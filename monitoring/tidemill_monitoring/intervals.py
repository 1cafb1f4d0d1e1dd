"""Numbers with their uncertainty, and when a ratio is too far from 1 to be chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.verdicts import Status

RATIO_WATCH, RATIO_ACT = 1.1, 1.25
"""How far predicted over observed, or a base rate over the trained one, may be from 1."""
_LEVEL = 0.95
_Z = 1.96


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap interval, of 95% unless told."""

    observed: float
    lower: float
    upper: float

    @classmethod
    def of(cls, observed: float, draws: NDArray[np.floating], level: float = _LEVEL) -> Estimate:
        if np.isnan(draws).all():
            return cls(float(observed), float("nan"), float("nan"))
        lower, upper = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
        return cls(float(observed), float(lower), float(upper))


def wilson_interval(hits: int, rows: int, z: float = _Z) -> tuple[float, float]:
    """Interval of a share (Wilson 1927), 95% unless told; sound for shares near 0."""
    share = hits / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def share_ratio(hits: int, rows: int, other_hits: float, other_rows: int) -> Estimate:
    """One share over another of two samples, with its 95% interval (Katz et al. 1978).

    Half a hit is added on both sides, so that a share of none has a ratio.
    """
    shares = (hits + 0.5) / (rows + 0.5), (other_hits + 0.5) / (other_rows + 0.5)
    ratio = shares[0] / shares[1]
    variance = (1 - shares[0]) / (hits + 0.5) + (1 - shares[1]) / (other_hits + 0.5)
    reach = float(np.exp(_Z * np.sqrt(variance)))
    return Estimate(ratio, ratio / reach, ratio * reach)


def judge_ratio(lower: float, upper: float) -> Status:
    """Is the whole interval of a ratio beyond the watch or the act band around 1?"""
    if lower > RATIO_ACT or upper < 1 / RATIO_ACT:
        return Status.ACT
    if lower > RATIO_WATCH or upper < 1 / RATIO_WATCH:
        return Status.WATCH
    return Status.OK
