"""What sets a segment apart, in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import roc_auc
from tidemill_pipelines.segmenting.factors import FactorColumn

_TELLING = 0.33
"""Cliff's delta from which on a difference is more than small (Romano et al. 2006)."""
_NAMED = 2
_TYPICAL = "like most"


@dataclass(frozen=True)
class Standing:
    """Where the users of a segment stand in one factor."""

    factor: str
    measure: str
    median: float | None
    """None when most have none."""
    median_of_all: float | None
    effect: float
    """Cliff's delta: how often somebody of the segment has more than somebody else, less how often
    that is the other way round; -1 to 1."""
    words: str

    @property
    def is_unusual(self) -> bool:
        """Most of the segment are not like most of all."""
        return self.median != self.median_of_all


def standings(
    raw: NDArray[np.float32], members: NDArray[np.bool_], columns: Sequence[FactorColumn]
) -> list[Standing]:
    """One for each of the factors [n, factors], the most telling first."""
    found = [
        _standing(column, values, members) for column, values in zip(columns, raw.T, strict=True)
    ]
    return sorted(found, key=lambda each: -abs(each.effect))


def names(described: Sequence[Sequence[Standing]]) -> list[str]:
    """One for each segment: its most telling factors, as many as make it unlike the others."""
    widest = max(len(each) for each in described)
    for most in range(_NAMED, widest + 1):
        found = [_name(each, most) for each in described]
        if len(set(found)) == len(found):
            return found
    return _numbered([_name(each, widest) for each in described])


def _standing(
    column: FactorColumn, values: NDArray[np.float32], members: NDArray[np.bool_]
) -> Standing:
    """What never happened, a missing value, is longest ago."""
    longest = float(np.nanmax(values, initial=0)) + 1
    effect = 2 * roc_auc(members, np.nan_to_num(values, nan=longest)) - 1
    if np.isnan(effect):  # nobody else, or nobody
        effect = 0.0
    median, of_all = _median(values[members]), _median(values)
    words = _words(column, median, effect)
    return Standing(column.name, column.measure, median, of_all, effect, words)


def _words(column: FactorColumn, median: float | None, effect: float) -> str:
    if column.measure == "recency":
        if median is None:
            return f"never {column.name}"
        return f"{'long since' if effect > 0 else 'recent'} {column.name}"
    if median == 0 and effect < 0:
        return f"no {column.name}"
    return f"{'high' if effect > 0 else 'low'} {column.name}"


def _name(standing: Sequence[Standing], most: int) -> str:
    telling = [each for each in standing if abs(each.effect) >= _TELLING and each.is_unusual]
    return ", ".join(each.words for each in telling[:most]) or _TYPICAL


def _numbered(found: Sequence[str]) -> list[str]:
    """The second of a name gets a 2."""
    seen: dict[str, int] = {}
    numbered = []
    for name in found:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered


def _median(values: NDArray[np.float32]) -> float | None:
    """None where it is missing; sorting puts what is missing last."""
    if not len(values):
        return None
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return None if np.isnan(high) else float(low + high) / 2
