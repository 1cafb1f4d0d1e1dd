"""A linear part for what little data can carry, and a few small networks for the rest.

After Cheng et al. 2016 (Wide & Deep Learning), but the parts are fitted apart and their
probabilities averaged: on a few thousand users the linear part alone beats a jointly trained
network, and the share of the deep part is chosen on a later window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tidemill_pipelines.models.preprocess import Preprocess

_HIDDEN = 64
_DROPOUT = 0.3
_EPOCHS = 5
_BATCH = 512
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.3


class WideDeep(nn.Module):
    """features [batch, n] float32, NaN allowed -> score [batch], a probability."""

    def __init__(
        self, preprocess: Preprocess, wide: nn.Linear, deep: Sequence[nn.Module], deep_share: float
    ) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.wide = wide
        self.deep = nn.ModuleList(deep if deep_share > 0 else ())
        self.deep_share = deep_share

    def forward(self, features: Tensor) -> Tensor:
        inputs = self.preprocess(features)
        wide = torch.sigmoid(self.wide(inputs)).squeeze(-1)
        if not self.deep:
            return wide
        deep = torch.stack([torch.sigmoid(net(inputs)).squeeze(-1) for net in self.deep])
        return (1.0 - self.deep_share) * wide + self.deep_share * deep.mean(dim=0)


def fit_wide(
    inputs: Tensor, labels: Tensor, l2: float, start: nn.Linear | None = None
) -> nn.Linear:
    """L2-penalised logistic regression by L-BFGS, to convergence, in double precision.

    `start` is the solution of a neighbouring penalty; the optimum is the same without it.
    """
    wide = nn.Linear(inputs.shape[1], 1, dtype=torch.float64)
    nn.init.zeros_(wide.weight)
    nn.init.constant_(wide.bias, _log_odds(labels))
    if start is not None:
        wide.load_state_dict(start.state_dict())
    rows, target = inputs.double(), labels.double()
    optimizer = torch.optim.LBFGS(
        wide.parameters(), max_iter=200, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = wide(rows).squeeze(-1)
        value = nn.functional.binary_cross_entropy_with_logits(logits, target)
        value = value + l2 / 2 * wide.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]  # torch types it so
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # the same
    return wide.float()


def fit_deep(inputs: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """A two-layer network, AdamW with one cycle of the learning rate (Smith & Topin 2018)."""
    torch.manual_seed(seed)
    last = nn.Linear(_HIDDEN // 2, 1)
    net = nn.Sequential(
        nn.Linear(inputs.shape[1], _HIDDEN),
        nn.ReLU(),
        nn.Dropout(_DROPOUT),
        nn.Linear(_HIDDEN, _HIDDEN // 2),
        nn.ReLU(),
        nn.Dropout(_DROPOUT),
        last,
    )
    nn.init.constant_(last.bias, _log_odds(labels))
    optimizer = torch.optim.AdamW(net.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    steps = _EPOCHS * -(-len(inputs) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    for _ in range(_EPOCHS):
        for batch in torch.split(torch.randperm(len(inputs)), _BATCH):
            optimizer.zero_grad()
            logits = net(inputs[batch]).squeeze(-1)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # torch types it so
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def score(model: nn.Module, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of raw feature rows, shape [n]."""
    scores: NDArray[np.float64] = model.eval()(torch.from_numpy(rows)).double().numpy()
    return scores


def _log_odds(labels: Tensor) -> float:
    rate = float(labels.mean().clamp(1e-6, 1 - 1e-6))
    return float(np.log(rate / (1 - rate)))
