"""Whether a user comes back to an item of their history within the horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories
from tidemill.recommendation.interests import ACTIVITY, FACTS
from tidemill_pipelines.recommending.candidates.batches import TOTAL
from tidemill_pipelines.recommending.candidates.popularity import recent_users
from tidemill_pipelines.recommending.logistic import fit_logistic

_LAST, _FIRST = FACTS.index("days_since_last"), FACTS.index("days_since_first")
_HIDDEN = 32
_FEWEST_SUCCESSES = 1_000
"""Below it the network's hidden units are left out: a linear model is what so few can carry."""
_STEPS = 150
_ROWS = 4_096
_RATE = 0.01
_AT_ONCE = 4_000_000


class Repeat(torch.nn.Module):
    """Log odds of interest in each item of a history, from when and how often there was some.

    A linear part, and hidden units that correct it.
    """

    statistics: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, statistics: torch.Tensor) -> None:
        """`statistics` [items, 3], see `item_statistics`."""
        super().__init__()
        width = len(FACTS) + 1 + statistics.shape[1] + len(ACTIVITY)
        self.linear = torch.nn.Linear(width, 1)
        self.hidden = torch.nn.Linear(width, _HIDDEN)
        self.output = torch.nn.Linear(_HIDDEN, 1)
        torch.nn.init.zeros_(self.output.weight)
        torch.nn.init.zeros_(self.output.bias)
        self.register_buffer("statistics", statistics.float())
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def columns(
        self,
        items: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
    ) -> torch.Tensor:
        """[..., columns] of items [...], their facts and their user's activity."""
        since = torch.log1p(facts[..., _LAST])
        span = facts[..., _FIRST] - facts[..., _LAST]
        pace = torch.log1p(span / (facts[..., TOTAL] - 1).clamp(min=1))
        return torch.cat(
            [
                torch.log1p(facts.clamp(min=0)),
                (since - pace).unsqueeze(-1),
                self.statistics[items],
                torch.log1p(activity.clamp(min=0)),
            ],
            dim=-1,
        )

    def shifted(self, by: float) -> Repeat:
        """The same with all log odds moved."""
        with torch.no_grad():
            self.linear.bias.add_(by)
        return self

    def odds(self, columns: torch.Tensor) -> torch.Tensor:
        inputs = (columns - self.mean) / self.scale
        hidden = torch.nn.functional.silu(self.hidden(inputs))
        corrected: torch.Tensor = self.linear(inputs) + self.output(hidden)
        return corrected.squeeze(-1)

    def forward(
        self,
        items: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
    ) -> torch.Tensor:
        """Log odds [n, L]; `activity` [n, ACTIVITY], the rest [n, L, ...]."""
        of_each = activity.unsqueeze(1).expand(-1, facts.shape[1], -1)
        return self.odds(self.columns(items, facts, of_each))


@dataclass(frozen=True)
class RepeatRows:
    """Pairs of user and own item."""

    items: NDArray[np.int64]
    facts: NDArray[np.float32]
    activity: NDArray[np.float32]
    labels: NDArray[np.bool_]
    weights: NDArray[np.float64]


def fit_repeat(rows: RepeatRows, statistics: torch.Tensor, seed: int, deep: bool) -> Repeat:
    """Log loss over the rows. Without a return it says what half a return in all would."""
    torch.manual_seed(seed)
    model = Repeat(statistics)
    columns = columns_of(model, rows)
    if len(columns):
        model.mean, model.scale = columns.mean(dim=0), columns.std(dim=0, correction=0) + 1e-3
    inputs = ((columns - model.mean) / model.scale).clamp(-10, 10)
    slopes, intercept = fit_logistic(inputs.numpy(), rows.labels, rows.weights)
    with torch.no_grad():
        model.linear.weight.copy_(torch.from_numpy(slopes)[None])
        model.linear.bias.fill_(intercept)
    if deep and rows.labels.sum() >= _FEWEST_SUCCESSES:
        _train(model, columns, rows, seed)
    return model.eval()


def columns_of(model: Repeat, rows: RepeatRows) -> torch.Tensor:
    return model.columns(
        torch.from_numpy(rows.items),
        torch.from_numpy(rows.facts),
        torch.from_numpy(rows.activity),
    )


def _train(model: Repeat, columns: torch.Tensor, rows: RepeatRows, seed: int) -> None:
    labels = torch.from_numpy(rows.labels.astype(np.float32))
    weights = torch.from_numpy((rows.weights / rows.weights.mean()).astype(np.float32))
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    for _ in range(_STEPS):
        some = torch.randint(len(labels), (min(_ROWS, len(labels)),), generator=generator)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            model.odds(columns[some]), labels[some], weights[some]
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's has no types
        optimiser.step()
        schedule.step()


def item_statistics(histories: Histories, items: int) -> torch.Tensor:
    """[items, 3]: recent users, users ever, and the share of them who came back, as log odds."""
    known, returned = np.zeros(items), np.zeros(items)
    for start in range(0, len(histories.items), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        known += np.bincount(histories.items[part], minlength=items)
        often = histories.facts[part, TOTAL] > 1
        returned += np.bincount(histories.items[part], often, minlength=items)
    users = max(len(histories), 1)
    recent = recent_users(histories, items)
    return torch.from_numpy(
        np.stack(
            [
                np.log((recent + 0.5) / users),
                np.log((known + 0.5) / users),
                np.log((returned + 0.5) / (known - returned + 0.5)),
            ],
            axis=1,
        )
    ).float()
