"""Raw feature values to model inputs, inside the graph, so nothing has to be kept in step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_CLIP = 6.0
_CONSTANT = 1e-6


class Preprocess(nn.Module):
    """NaN to the largest value seen, signed log, standardise, clip; [batch, features] float32.

    A missing recency means "never", so it is filled with the longest recency anybody had. Counts
    and sums are heavy-tailed, hence the logarithm; clipping keeps one outlier from deciding.
    """

    fill: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, rows: NDArray[np.float32]) -> None:
        super().__init__()
        fill = _column_max(rows)
        logged = _signed_log(np.where(np.isnan(rows), fill, rows))
        spread = logged.std(axis=0, dtype=np.float64)
        # A constant column carries nothing; an infinite scale turns it into zero.
        scale = np.where(spread > _CONSTANT, spread, np.inf)
        self.register_buffer("fill", torch.tensor(fill, dtype=torch.float32))
        mean = logged.mean(axis=0, dtype=np.float64)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(1.0 / scale, dtype=torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        known = torch.where(torch.isnan(features), self.fill, features)
        logged = torch.sign(known) * torch.log1p(torch.abs(known))
        return torch.clamp((logged - self.mean) * self.scale, -_CLIP, _CLIP)


def _signed_log(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sign(values) * np.log1p(np.abs(values))


def _column_max(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = np.max(np.where(np.isnan(rows), -np.inf, rows), axis=0)
    return np.where(np.isfinite(largest), largest, 0.0).astype(np.float32)
