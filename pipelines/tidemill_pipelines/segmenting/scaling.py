"""Factors made comparable: logarithms in units of their own standard deviation.

What is counted comes in steps, and a step is no gap between two kinds of users: nobody buys half a
time, and whoever never bought is one event away from whoever did once. So training spreads each
value evenly over the step it stands on, all that is measured of the same events alike, because one
event more moves them all; serving takes the middle of the step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.segmenting.factors import FactorColumn
from tidemill_pipelines.segmenting.kmeans import Points

FARTHEST = 4.0
"""Standard deviations; whoever is farther out in a factor counts as being there."""
TWICE = math.log(2)
MIDDLE = 0.5


@dataclass(frozen=True)
class Scaling:
    """From raw factors [n, factors] to points; each array is [factors]."""

    step: NDArray[np.float64]
    """What one event adds to a value; for a recency, a day."""
    never: NDArray[np.float64]
    """Logarithm of the longest recency there is: what never happened was once to twice as long
    ago."""
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        raw: NDArray[np.float32],
        counts: NDArray[np.float32],
        columns: Sequence[FactorColumn],
        rng: np.random.Generator,
    ) -> Scaling:
        """`counts` [n, factors] are of the events each value comes from."""
        step = np.array(
            [
                _event_value(raw[:, at], counts[:, at]) if column.measure == "value" else 1.0
                for at, column in enumerate(columns)
            ]
        )
        longest = [float(np.nanmax(values, initial=0.0)) for values in raw.T]
        never = np.array(
            [
                math.log1p(days) if column.measure == "recency" else 0.0
                for column, days in zip(columns, longest, strict=True)
            ]
        )
        unit = cls(step, never, np.zeros(len(columns)), np.ones(len(columns)))
        logs = unit.logarithms(raw, _places(len(raw), columns, rng))
        return cls(step, never, logs.mean(axis=0), np.maximum(logs.std(axis=0), 1e-6))

    def spread(
        self,
        raw: NDArray[np.float32],
        columns: Sequence[FactorColumn],
        rng: np.random.Generator,
    ) -> Points:
        """Points to find segments among: each somewhere on its step."""
        return self._standardised(self.logarithms(raw, _places(len(raw), columns, rng)))

    def exact(self, raw: NDArray[np.float32]) -> Points:
        """Points as the served graph sees them: in the middle of their steps."""
        return self._standardised(self.logarithms(raw, np.full(raw.shape, MIDDLE)))

    def logarithms(
        self, raw: NDArray[np.float32], place: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """`place` [n, factors]: where on its step each value is taken, 0 to 1."""
        known = np.maximum(np.nan_to_num(raw.astype(np.float64)), 0)
        logs = np.log1p(known + self.step * place)
        return np.asarray(np.where(np.isnan(raw), self.never + TWICE * place, logs))

    def _standardised(self, logs: NDArray[np.float64]) -> Points:
        scaled = (logs - self.mean) / self.scale
        return np.asarray(np.clip(scaled, -FARTHEST, FARTHEST), dtype=np.float32)


def _places(
    users: int, columns: Sequence[FactorColumn], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Where on its step each value is taken, [users, factors]; a recency falls as counts rise."""
    of_signal = {name: rng.random(users) for name in dict.fromkeys(each.signal for each in columns)}
    return np.column_stack(
        [
            1 - of_signal[each.signal] if each.measure == "recency" else of_signal[each.signal]
            for each in columns
        ]
    )


def _event_value(values: NDArray[np.float32], counts: NDArray[np.float32]) -> float:
    """What one event is usually worth; 1 where nothing is."""
    worth = (values > 0) & (counts > 0)
    return float(np.median(values[worth] / counts[worth])) if worth.any() else 1.0
