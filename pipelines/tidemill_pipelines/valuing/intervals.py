"""Between which values a customer's will lie: quantiles of what similar predictions came to.

Split conformal prediction within groups of similar prediction (Vovk 2013): where later customers
are like those of the window, at least `coverage` of each group lie inside, whatever the shape of
their values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

COVERAGE = 0.9
_GROUP = 60
"""At least so many users stand for one prediction: three of them lie beyond either bound."""
_MOST_GROUPS = 40
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Bands:
    """Bounds at knots of the predicted value, ascending."""

    knots: Values
    lower: Values
    upper: Values


def fit_bands(predicted: Values, observed: Values) -> Bands:
    """From out-of-sample predictions, [n] each; at least one."""
    order = np.argsort(predicted, kind="stable")
    groups = np.array_split(order, min(_MOST_GROUPS, max(1, len(order) // _GROUP)))
    bounds = np.array([_bounds(np.sort(observed[group])) for group in groups])
    return Bands(
        np.array([predicted[group].mean() for group in groups]),
        np.maximum.accumulate(bounds[:, 0]),
        np.maximum.accumulate(bounds[:, 1]),
    )


def measured_coverage(predicted: Values, observed: Values) -> float:
    """Share of each half of the users inside the bands of the other half."""
    even = np.arange(len(predicted)) % 2 == 0
    inside = np.empty(len(predicted), dtype=np.bool_)
    for half in (even, ~even):
        bands = BandReader(fit_bands(predicted[~half], observed[~half]))
        with torch.no_grad():
            lower, upper = bands(torch.from_numpy(predicted[half]))
        inside[half] = (lower.numpy() <= observed[half]) & (observed[half] <= upper.numpy())
    return float(inside.mean())


class BandReader(nn.Module):
    """Predicted values float64 [n] -> lower and upper bounds [n].

    Linear between knots, constant below the first, in proportion above the last; a prediction lies
    always inside.
    """

    knots: Tensor
    steps: Tensor
    lower: Tensor
    upper: Tensor

    def __init__(self, bands: Bands) -> None:
        super().__init__()
        bands = _from_below(bands)
        steps = np.maximum(np.diff(bands.knots), 1e-12)
        for name, values in (
            ("knots", bands.knots),
            ("steps", steps),
            ("lower", bands.lower),
            ("upper", bands.upper),
        ):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)))

    def forward(self, predicted: Tensor) -> tuple[Tensor, Tensor]:
        passed = (predicted[:, None] - self.knots[:-1]) / self.steps
        share = torch.clamp(passed, 0.0, 1.0)
        beyond = torch.clamp(predicted / torch.clamp(self.knots[-1], min=1e-12), min=1.0)
        lower = (self.lower[0] + share @ (self.lower[1:] - self.lower[:-1])) * beyond
        upper = (self.upper[0] + share @ (self.upper[1:] - self.upper[:-1])) * beyond
        return torch.minimum(lower, predicted), torch.maximum(upper, predicted)


def _from_below(bands: Bands) -> Bands:
    """With one more knot, so that there is something between knots: what becomes of a product with
    nothing differs between runtimes."""
    return Bands(
        np.concatenate([[min(0.0, bands.knots[0] - 1)], bands.knots]),
        np.concatenate([bands.lower[:1], bands.lower]),
        np.concatenate([bands.upper[:1], bands.upper]),
    )


def _bounds(values: Values) -> tuple[float, float]:
    """Order statistics of ascending `values`; of few of them, the outermost."""
    count, outside = len(values), (1 - COVERAGE) / 2
    low, high = int((count + 1) * outside), int(np.ceil((count + 1) * (1 - outside)))
    lower = min(0.0, values[0]) if low < 1 else values[low - 1]
    return float(lower), float(values[min(high, count) - 1])
