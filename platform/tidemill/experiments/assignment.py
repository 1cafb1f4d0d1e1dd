"""Who is in which arm: a hash of the unit, the same in every process, replica and language.

The SHA-256 of `<salt>:<unit>` in UTF-8: its first 53 bits over 2^53 are a number in [0, 1), and
arms are intervals of it in the order of their declaration. Nothing is stored, so nothing can be
lost or get out of step: the same unit always finds the same arm.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from itertools import accumulate

_CELLS = 2**53
"""Exactly the whole numbers that a 64-bit float, the only number of JavaScript, can count."""


def cell_of(salt: str, unit: str) -> int:
    """A whole number below 2^53, uniform over units and independent between salts."""
    return int.from_bytes(sha256(f"{salt}:{unit}".encode()).digest()[:8]) >> 11


@dataclass(frozen=True)
class Split:
    """Shares of all units, in order; what they leave is nobody's."""

    salt: str
    shares: tuple[Decimal, ...]
    """Each in (0, 1]; together at most 1. Decimals, because ten times 0.1 must be everybody."""

    def place_of(self, unit: str) -> int | None:
        """Position of the share that the unit falls into; None beyond the last."""
        place = bisect_right(self._ends, cell_of(self.salt, unit))
        return place if place < len(self.shares) else None

    @cached_property
    def _ends(self) -> Sequence[int]:
        """First cell behind each share, rounded down."""
        return [int(end * _CELLS) for end in accumulate(self.shares)]


@dataclass(frozen=True)
class Slot:
    """An experiment's part of a layer: of all units, those whose layer's hash lies in between.

    Experiments of one layer with slots that do not overlap never share a unit.
    """

    layer: str
    start: Decimal
    share: Decimal

    def holds(self, unit: str) -> bool:
        """Whether the unit takes part."""
        low, high = self._cells
        return low <= cell_of(self.layer, unit) < high

    @cached_property
    def _cells(self) -> tuple[int, int]:
        return int(self.start * _CELLS), int((self.start + self.share) * _CELLS)
