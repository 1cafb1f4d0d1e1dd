"""What a purchase process reads of a customer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Histories(NamedTuple):
    """Float64 [n] each, times in days."""

    repeats: Tensor
    """Purchases after the first."""
    last: Tensor
    """From the first purchase to the last."""
    age: Tensor
    """From the first purchase to now."""
    mean_value: Tensor
    """Of all purchases; at least zero."""

    def take(self, rows: Tensor) -> Histories:
        return Histories(*(column[rows] for column in self))
