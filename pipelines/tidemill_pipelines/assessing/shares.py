"""How far a share may be from what was counted."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson_interval(hits: int, of: int, level: float = 0.99) -> tuple[float, float]:
    """Wilson (1927) interval of a share; (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = hits / of, z * z / of
    middle = (share + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * sqrt(share * (1 - share) / of + weight / (4 * of))
    return middle - reach, middle + reach
