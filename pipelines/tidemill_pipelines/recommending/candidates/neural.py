"""Training of networks in a bounded number of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

_OPERATIONS = 1.5e10
"""Multiplications a training may take, about one CPU second: steps, not seconds, so that the same
seed gives the same model on any machine."""
_MOST_STEPS = 80
FEWEST_STEPS = 20


def steps_for(operations: float) -> int:
    """Steps that a network may take whose one step costs so many multiplications."""
    return int(min(_OPERATIONS // max(operations, 1), _MOST_STEPS))


def train(
    parameters: Iterable[torch.Tensor],
    loss: Callable[[], torch.Tensor],
    steps: int,
    rate: float,
) -> None:
    """Adam with a rate that rises for a tenth of the steps and then falls to 0."""
    optimiser = torch.optim.Adam(list(parameters), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps + 1, pct_start=0.1
    )
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]  # torch's has no types
        optimiser.step()
        schedule.step()
