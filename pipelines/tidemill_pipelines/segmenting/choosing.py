"""How many segments there are, if any: the most that are really there.

Measured in docs/benchmarks/segmentation.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tidemill.objective.segmenting import Segments
from tidemill_pipelines.segmenting.clustering import Division, cluster
from tidemill_pipelines.segmenting.gaps import DEEP, Gap, find_gaps
from tidemill_pipelines.segmenting.kmeans import Points
from tidemill_pipelines.segmenting.partners import adjusted_rand
from tidemill_pipelines.segmenting.stability import STABLE, bootstrap_jaccard

AGREEING = 0.7
"""Adjusted Rand index of the divisions by present and by older data, below which they differ."""
SMALLEST_SHARE = 0.01
SMALLEST_USERS = 20
_STARTS = 10


@dataclass(frozen=True)
class Tried:
    """One number of segments."""

    k: int
    division: Division
    smallest: int
    """Users of the smallest segment."""
    gaps: list[Gap]
    jaccard: list[float] | None
    """Of each segment, see stability; None where missing gaps have settled it."""
    agreement: float | None
    """With the division by older data; None where there is none, or it does not matter any more."""
    faults: list[str]
    """What speaks against it, in words; empty when nothing does."""

    @property
    def widest_valley(self) -> float:
        """Users between the two segments that are least apart, see Gap.valley."""
        return max(gap.valley for gap in self.gaps)

    def to_json(self) -> dict[str, Any]:
        """Without the division itself."""
        facts = asdict(self)
        del facts["division"]
        return {**facts, "gaps": [gap._asdict() for gap in self.gaps]}


@dataclass(frozen=True)
class Choice:
    """All that were tried, and the one that was chosen."""

    tried: list[Tried]
    """From the smallest number to the largest."""
    chosen: Tried
    """The largest without a fault; where all have some, the one with the fewest."""

    @property
    def is_real(self) -> bool:
        """Whether there are segments at all."""
        return not self.chosen.faults


def choose(points: Points, older: Points | None, limits: Segments, seed: int) -> Choice:
    """Segments among `points` [n, factors] that are found in `older` points as well.

    The largest number is tried first, and the first that is real is taken.
    """
    rng = np.random.default_rng(seed)
    most = min(limits.max, len(points) // SMALLEST_USERS)
    tried: list[Tried] = []
    for k in range(max(limits.min, most), limits.min - 1, -1):
        found = _divided(points, k, rng)
        if all(gap.is_clear for gap in found.gaps):
            found = _repeated(found, points, older, rng)
        tried.insert(0, found)
        if not found.faults:
            return Choice(tried, found)
    nearest = min(tried, key=lambda each: (len(each.faults), each.widest_valley))
    if nearest.jaccard is None:
        place = [each.k for each in tried].index(nearest.k)
        tried[place] = nearest = _repeated(nearest, points, older, rng)
    return Choice(tried, nearest)


def _divided(points: Points, k: int, rng: np.random.Generator) -> Tried:
    division = cluster(points, k, rng, _STARTS)
    smallest = int(np.bincount(division.assign(points), minlength=k).min())
    gaps = find_gaps(points, division, rng)
    faults = [*_blurred(gaps), *_too_small(smallest, len(points))]
    return Tried(k, division, smallest, gaps, None, None, faults)


def _repeated(
    tried: Tried, points: Points, older: Points | None, rng: np.random.Generator
) -> Tried:
    """With what becomes of it in bootstrap samples and in older data."""
    jaccard = bootstrap_jaccard(points, tried.division, rng).tolist()
    agreement = None
    if older is not None:
        before = cluster(older, tried.k, rng, _STARTS)
        agreement = adjusted_rand(tried.division.assign(points), before.assign(points))
    faults = [*tried.faults, *_unstable(jaccard, agreement)]
    return replace(tried, jaccard=jaccard, agreement=agreement, faults=faults)


def _blurred(gaps: list[Gap]) -> list[str]:
    blurred = [gap for gap in gaps if not gap.is_clear]
    if not blurred:
        return []
    said = f"between {len(blurred)} of {len(gaps)} pairs of segments there is no gap"
    worst = max(gap.valley for gap in blurred)
    if worst < DEEP:
        return [f"{said} beyond chance"]
    return [
        f"{said} (in between are {worst:.0%} as many users as in the sparser of two, and below "
        f"{DEEP:.0%} would be a gap)"
    ]


def _too_small(smallest: int, users: int) -> list[str]:
    least = max(SMALLEST_USERS, round(SMALLEST_SHARE * users))
    if smallest >= least:
        return []
    return [f"the smallest segment has {smallest} users, {least} are needed"]


def _unstable(jaccard: list[float], agreement: float | None) -> list[str]:
    found = []
    if min(jaccard) < STABLE:
        unstable = f"the least stable segment overlaps by {min(jaccard):.2f} in bootstrap samples"
        found.append(f"{unstable}, {STABLE} is needed")
    if agreement is not None and agreement < AGREEING:
        found.append(
            f"older data divides users differently (agreement {agreement:.2f}, {AGREEING} is "
            "needed)"
        )
    return found
