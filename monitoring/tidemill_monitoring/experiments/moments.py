"""Sufficient statistics of a metric: sums over units, which add over days, arms and partitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """What every estimator needs of the units of one arm.

    A metric's columns, in this order. A mean (conversion, count, sum): the value, and perhaps the
    same value before the exposure. A ratio: numerator, denominator, and perhaps both before the
    exposure. Leading dimensions (days, simulated experiments) are free and shared by all fields.
    """

    units: Array
    """[...] exposed units whose window has closed."""
    active: Array
    """[...] of these, units whose first column is not zero."""
    sums: Array
    """[..., columns]"""
    products: Array
    """[..., columns, columns] sums of the products of two columns."""
    fourths: Array
    """[...] sum of the fourth powers of the first column; says how far its variance is to trust."""

    @classmethod
    def of(cls, rows: Array) -> Moments:
        """Of values `rows` [units, columns]; for logs, sum in SQL instead."""
        active, fourths = np.count_nonzero(rows[:, 0]), (rows[:, 0] ** 4).sum()
        return cls(
            np.asarray(float(len(rows))),
            np.asarray(float(active)),
            rows.sum(axis=0),
            rows.T @ rows,
            np.asarray(fourths),
        )

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.units + other.units,
            self.active + other.active,
            self.sums + other.sums,
            self.products + other.products,
            self.fourths + other.fourths,
        )

    def cumulated(self, axis: int = 0) -> Moments:
        """From days to everything up to each day; `axis` counts from the first dimension."""
        return Moments(
            self.units.cumsum(axis),
            self.active.cumsum(axis),
            self.sums.cumsum(axis),
            self.products.cumsum(axis),
            self.fourths.cumsum(axis),
        )

    def at(self, days: NDArray[np.intp]) -> Moments:
        """Some of the first dimension."""
        return Moments(
            self.units[days],
            self.active[days],
            self.sums[days],
            self.products[days],
            self.fourths[days],
        )

    @property
    def means(self) -> Array:
        """[..., columns]; zero of nobody."""
        means: Array = self.sums / np.maximum(self.units, 1)[..., None]
        return means

    @property
    def kurtosis(self) -> Array:
        """[...] of the first column about zero; 1 of nothing, 1 / p of a conversion rate p."""
        squares = self.products[..., 0, 0]
        kurtosis: Array = self.units * self.fourths / np.where(squares > 0, squares, 1) ** 2
        return np.maximum(kurtosis, 1)

    @property
    def covariances(self) -> Array:
        """[..., columns, columns], unbiased, between units; zero of fewer than two."""
        units = np.maximum(self.units, 1)[..., None, None]
        centred = self.products - self.sums[..., :, None] * self.sums[..., None, :] / units
        covariances: Array = centred / np.maximum(units - 1, 1)
        return covariances
