"""The whole model: feature vectors to expected purchases and value, ready for ONNX."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tidemill_features.aggregates import PURCHASE_AGGREGATES
from tidemill_pipelines.models.preprocess import Preprocess
from tidemill_pipelines.valuing.correction import Head, Signals
from tidemill_pipelines.valuing.foundation import Foundation

_TRIMMED = 0.005
"""Share of a feature's values on either side that count as what lies next to them."""
_CLIP = 6.0
_GROWING = tuple(each.name for each in PURCHASE_AGGREGATES if each.grows)


def usable_columns(features: Sequence[str], signal: str, history_days: float) -> list[int]:
    """Features of whole events whose meaning does not change as the log grows.

    Those that only grow, or look back farther than the `history_days` at the first training cutoff
    can tell, would be read outside the range they were learnt in. The event of the purchases,
    `signal`, is not told a second time.
    """
    chosen, told = [], signal.rpartition("__")[0]
    for column, name in enumerate(features):
        of, _, aggregate = name.rpartition("__")
        window = re.search(r"_(\d+)d$", aggregate)
        is_settled = window is None or int(window[1]) <= history_days
        is_whole = of == signal or ("__" not in of and of != told)
        if is_settled and aggregate not in _GROWING and is_whole:
            chosen.append(column)
    return chosen


class SignalReader(nn.Module):
    """Feature vectors, and what the foundation says about them, as inputs of order one."""

    columns: Tensor
    lowest: Tensor
    highest: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(
        self, foundation: Foundation, vectors: NDArray[np.float32], columns: list[int], days: float
    ) -> None:
        """Scales are those of `vectors` [n, F], rows of the training windows."""
        super().__init__()
        self.foundation = foundation
        self.days = days
        chosen = vectors[:, columns]
        lowest, highest = _range(chosen)
        self.register_buffer("columns", torch.tensor(columns))
        self.register_buffer("lowest", torch.from_numpy(lowest))
        self.register_buffer("highest", torch.from_numpy(highest))
        self.preprocess = Preprocess(np.clip(chosen, lowest, highest))
        with torch.no_grad():
            own = self._own(torch.from_numpy(vectors))
        self.register_buffer("mean", own.mean(dim=0))
        self.register_buffer("scale", 1 / own.std(dim=0).clamp(min=1e-6))

    def forward(self, features: Tensor) -> Signals:
        chosen = torch.index_select(features, 1, self.columns)
        trimmed = torch.minimum(torch.maximum(chosen, self.lowest), self.highest)
        # What becomes of a NaN in a minimum differs between runtimes.
        trimmed = torch.where(torch.isnan(chosen), chosen, trimmed)
        own = self._own(features)
        scaled = ((own - self.mean) * self.scale).clamp(-_CLIP, _CLIP)
        inputs = torch.cat([self.preprocess(trimmed).double(), scaled], dim=1)
        return Signals(inputs, own[:, 0], own[:, 1])

    def longer(self, features: Tensor, signals: Signals, days: Tensor) -> Tensor:
        """Logarithm of how many times as many purchases the processes expect in `days`, [n]."""
        histories = self.foundation.reader(features)
        return self.foundation.log_purchases(histories, days) - signals.log_purchases

    def _own(self, features: Tensor) -> Tensor:
        """Purchases, worth, and where single processes differ from their mean."""
        histories = self.foundation.reader(features)
        opinions = self.foundation.opinions(histories, self.days)
        known = opinions.mean(dim=1, keepdim=True)
        worth = self.foundation.log_worth(histories)
        return torch.cat([known, worth[:, None], opinions[:, 1:] - known], dim=1)


class ValueModel(nn.Module):
    """(features [n, F], days [1]) -> expected value and purchases, float64 [n] each.

    Heads, whose mean is taken, were learnt over the judged days; the processes say how much more or
    less is to be expected over others.
    """

    def __init__(self, signals: SignalReader, heads: Sequence[Head]) -> None:
        super().__init__()
        self.signals = signals
        self.heads = nn.ModuleList(heads)

    def forward(self, features: Tensor, days: Tensor) -> tuple[Tensor, Tensor]:
        signals = self.signals(features)
        return self.expected(signals, self.signals.longer(features, signals, days))

    def expected(self, signals: Signals, longer: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
        """As `forward`, from what is known already; over the judged days by default."""
        return mixed(list(self.heads), signals, longer)

    @torch.no_grad()
    def predict(
        self, vectors: NDArray[np.float32], days: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and purchases of feature vectors."""
        found = self(torch.from_numpy(vectors), torch.tensor([days], dtype=torch.float64))
        return found[0].numpy(), found[1].numpy()


def mixed(
    heads: Sequence[nn.Module], signals: Signals, longer: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """Values and purchases, the mean over heads; `longer` is the log of how many times as many
    purchases are expected as over the judged days."""
    values, purchases = [], []
    for head in heads:
        log_purchases, log_worth = head(signals)
        purchases.append(torch.exp(torch.clamp(log_purchases + longer, -50.0, 50.0)))
        values.append(purchases[-1] * torch.exp(torch.clamp(log_worth, -50.0, 50.0)))
    return torch.stack(values).mean(dim=0), torch.stack(purchases).mean(dim=0)


def _range(chosen: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bounds of each column; without any for one that has no values."""
    known = ~np.isnan(chosen).all(axis=0)
    bounds = np.tile(np.array([[-np.inf], [np.inf]], np.float32), chosen.shape[1])
    if known.any():
        shares = (_TRIMMED, 1 - _TRIMMED)
        bounds[:, known] = np.nanquantile(chosen[:, known], shares, axis=0)
    return bounds[0], bounds[1]
