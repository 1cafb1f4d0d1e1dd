"""What a purchase process reads of a customer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Histories(NamedTuple):
    """Float64 [n] each, times in days.

    What is bought on one day is one purchase: no process has two at the same time, and whoever
    split an order would seem to have come back at once and never again.
    """

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
