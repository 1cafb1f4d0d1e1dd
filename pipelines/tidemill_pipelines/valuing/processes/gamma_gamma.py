"""What a purchase is worth: the gamma-gamma model (Fader, Hardie & Lee 2005, RFM and CLV).

Values of a customer's purchases vary by a gamma distribution whose scale varies among customers by
another. The mean of a customer is then expected between the customer's own and everybody's, the
nearer to the own the more purchases there were.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tidemill_pipelines.valuing.processes.histories import Histories

_PENALTY = 1e-4
_FARTHEST = 12.0
"""Bound of the logarithm of a parameter: where all purchases are worth the same, p has no end."""
_MOST_CUSTOMERS = 20_000


class GammaGamma(nn.Module):
    """Parameters p, q and v of the paper, v in units of value."""

    p: Tensor
    q: Tensor
    v: Tensor

    def __init__(self, p: float, q: float, v: float) -> None:
        super().__init__()
        for name, value in (("p", p), ("q", q), ("v", v)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def forward(self, histories: Histories) -> Tensor:
        """Mean value of a customer's next purchases, [n]."""
        purchases = histories.repeats + 1
        known = self.p * (self.v + purchases * histories.mean_value)
        return known / (self.p * purchases + self.q - 1)


def fit_gamma_gamma(histories: Histories, seed: int) -> GammaGamma:
    """By maximum likelihood over customers whose purchases were worth anything; q is at least 1, as
    below that a mean does not exist. Without such customers, worth is zero."""
    paid = torch.nonzero(histories.mean_value > 0).squeeze(-1)
    if not len(paid):
        return GammaGamma(1.0, 2.0, 1e-12)
    chosen = paid[torch.randperm(len(paid), generator=torch.Generator().manual_seed(seed))]
    sample = histories.take(chosen[:_MOST_CUSTOMERS])
    count, unit = sample.repeats + 1, float(sample.mean_value.mean())
    mean = sample.mean_value / unit
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -_log_likelihood(theta, count, mean).mean() + _PENALTY * theta.square().sum()
        value.backward()  # type: ignore[no-untyped-call]  # torch types it so
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # the same
    p, q, v = theta.detach().clamp(-_FARTHEST, _FARTHEST).tolist()
    return GammaGamma(math.exp(p), 1 + math.exp(q), math.exp(v) * unit)


def _log_likelihood(theta: Tensor, count: Tensor, mean: Tensor) -> Tensor:
    bounded = theta.clamp(-_FARTHEST, _FARTHEST).exp()
    p, q, v = bounded[0], 1 + bounded[1], bounded[2]
    shape = p * count
    normal = torch.lgamma(shape + q) - torch.lgamma(shape) - torch.lgamma(q) + q * torch.log(v)
    spread = (shape - 1) * torch.log(mean) + shape * torch.log(count)
    return normal + spread - (shape + q) * torch.log(count * mean + v)
