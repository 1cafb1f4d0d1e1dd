"""The interface of a purchase process, and its fit by maximum likelihood.

All of them say: while a customer is alive, purchases come at a rate of their own that varies among
customers by a gamma distribution; some time the customer leaves for good, unseen. They differ in
when that can happen.
"""

from __future__ import annotations

import math
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from tidemill_pipelines.valuing.processes.histories import Histories

_PENALTY = 1e-5
"""On squared logarithms: without it a parameter the data do not speak about runs to infinity."""
_FARTHEST = 12.0
"""Bound of the logarithm of a parameter, once time is measured in mean ages."""
_MOST_CUSTOMERS = 20_000
"""Four parameters are known to a few percent from so many."""


class Process(nn.Module):
    """Four positive parameters; those in `TIMES` are in days."""

    NAME: ClassVar[str]
    PARAMETERS: ClassVar[tuple[str, str, str, str]]
    TIMES: ClassVar[tuple[str, ...]]

    theta: Tensor
    """Logarithms of the parameters, float64 [4]."""

    def __init__(self, **parameters: float) -> None:
        super().__init__()
        logs = [math.log(parameters[name]) for name in self.PARAMETERS]
        self.register_buffer("theta", torch.tensor(logs, dtype=torch.float64))

    def parameters_found(self) -> dict[str, float]:
        """By the names of the paper, times in days."""
        return dict(zip(self.PARAMETERS, self.theta.exp().tolist(), strict=True))

    def log_likelihood(self, histories: Histories) -> Tensor:
        """Of each customer's history, [n]."""
        raise NotImplementedError

    def expected(self, histories: Histories, days: Tensor | float) -> Tensor:
        """Purchases in the next `days`, [n]."""
        raise NotImplementedError

    def alive(self, histories: Histories) -> Tensor:
        """Probability that the customer has not left, [n]."""
        raise NotImplementedError


AnyProcess = TypeVar("AnyProcess", bound=Process)


def fit_process(kind: type[AnyProcess], histories: Histories, seed: int) -> AnyProcess:
    """The parameters that make the histories of all customers most likely."""
    sample = _sampled(histories, seed)
    unit = float(sample.age.mean().clamp_min(1e-3))
    scaled = sample._replace(last=sample.last / unit, age=sample.age / unit)
    process = kind(**dict.fromkeys(kind.PARAMETERS, 1.0))
    theta = nn.Parameter(process.theta.clone())
    del process.theta
    process.register_parameter("theta", theta)
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=200, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -process.log_likelihood(scaled).mean() + _PENALTY * theta.square().sum()
        value.backward()  # type: ignore[no-untyped-call]  # torch types it so
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # the same
    found = theta.detach().clamp(-_FARTHEST, _FARTHEST).exp().tolist()
    units = [unit if name in kind.TIMES else 1.0 for name in kind.PARAMETERS]
    values = [value * each for value, each in zip(found, units, strict=True)]
    return kind(**dict(zip(kind.PARAMETERS, values, strict=True)))


def _sampled(histories: Histories, seed: int) -> Histories:
    count = len(histories.age)
    if count <= _MOST_CUSTOMERS:
        return histories
    generator = torch.Generator().manual_seed(seed)
    return histories.take(torch.randperm(count, generator=generator)[:_MOST_CUSTOMERS])
