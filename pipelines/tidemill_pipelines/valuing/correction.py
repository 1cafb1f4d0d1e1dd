"""Learned parts: regressions of purchases, and of their worth, on the features.

Both are Poisson regressions by quasi-likelihood (Gourieroux, Monfort & Trognon 1984): all they
assume is how the mean depends on the features, so counts and sums of money will do alike, and their
totals agree with those of the training windows. What a purchase process expects may be an offset,
from which the penalty lets them depart only as far as it pays.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_FARTHEST = 3.0
"""Bound of a correction: a factor of twenty, either way."""
_BEYOND = 1.0
"""How far what is learned without processes may exceed what it said of any training row."""
_UNBOUNDED = 50.0


class Outcomes(NamedTuple):
    """Of the rows of training windows, float64 [n]."""

    purchases: Tensor
    values: Tensor
    weights: Tensor
    """How much each row counts, up to a common factor."""


class Signals(NamedTuple):
    """What heads read, float64."""

    inputs: Tensor
    """[n, inputs], of order one."""
    log_purchases: Tensor
    """[n], of the processes, over the judged days."""
    log_worth: Tensor
    """[n]."""


class Head(nn.Module):
    """Logarithms of expected purchases and of the worth of each, [n] each."""

    purchases_weight: Tensor
    purchases_bias: Tensor
    worth_weight: Tensor
    worth_bias: Tensor
    purchases_most: Tensor
    worth_most: Tensor

    def __init__(self, inputs: int, is_offset: bool) -> None:
        super().__init__()
        self.is_offset = is_offset
        for part in ("purchases", "worth"):
            self.register_buffer(f"{part}_weight", torch.zeros(inputs, dtype=torch.float64))
            self.register_buffer(f"{part}_bias", torch.zeros((), dtype=torch.float64))
            self.register_buffer(f"{part}_most", torch.tensor(_UNBOUNDED, dtype=torch.float64))

    def forward(self, signals: Signals) -> tuple[Tensor, Tensor]:
        purchases = signals.inputs @ self.purchases_weight + self.purchases_bias
        worth = signals.inputs @ self.worth_weight + self.worth_bias
        if not self.is_offset:
            return (
                torch.minimum(purchases, self.purchases_most),
                torch.minimum(worth, self.worth_most),
            )
        return (
            signals.log_purchases + purchases.clamp(-_FARTHEST, _FARTHEST),
            signals.log_worth + worth.clamp(-_FARTHEST, _FARTHEST),
        )


def fit_head(signals: Signals, outcomes: Outcomes, *, is_offset: bool, penalty: float) -> Head:
    """Purchases first, then what each is worth given those."""
    head = Head(signals.inputs.shape[1], is_offset)
    zero = torch.zeros_like(outcomes.values)
    start = signals.log_purchases if is_offset else zero
    head.purchases_weight, head.purchases_bias = _regress(
        signals.inputs, start, outcomes.purchases, outcomes.weights, penalty
    )
    with torch.no_grad():
        purchases, _ = head(signals)
    start = purchases + (signals.log_worth if is_offset else zero)
    head.worth_weight, head.worth_bias = _regress(
        signals.inputs, start, outcomes.values, outcomes.weights, penalty
    )
    with torch.no_grad():
        purchases, worth = head(signals)
    head.purchases_most, head.worth_most = purchases.max() + _BEYOND, worth.max() + _BEYOND
    return head


def _regress(
    inputs: Tensor, offset: Tensor, target: Tensor, weights: Tensor, l2: float
) -> tuple[Tensor, Tensor]:
    """Weights and bias of log E[target] = offset + inputs @ weights + bias, by L-BFGS.

    The bias starts where the totals agree; it carries no penalty.
    """
    spent, share = target.clamp(min=0.0), weights / weights.sum()
    scale = (share @ spent).clamp(min=1e-12)
    bias = torch.log(scale / (share @ torch.exp(offset)))
    theta = torch.zeros(inputs.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=100, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        log_mean = offset + bias + inputs @ theta[:-1] + theta[-1]
        value = share @ (torch.exp(log_mean) - spent * log_mean) / scale
        value = value + l2 / 2 * theta[:-1].square().sum()
        value.backward()  # type: ignore[no-untyped-call]  # torch types it so
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # the same
    found = theta.detach()
    return found[:-1].clone(), found[-1] + bias
