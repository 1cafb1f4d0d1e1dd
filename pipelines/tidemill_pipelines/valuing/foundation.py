"""What purchases alone tell of a customer: processes and worth, out of a feature vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tidemill_pipelines.valuing.customers import HistoryColumns
from tidemill_pipelines.valuing.processes.beta_geometric import BgNbd, MbgNbd
from tidemill_pipelines.valuing.processes.gamma_gamma import GammaGamma, fit_gamma_gamma
from tidemill_pipelines.valuing.processes.histories import Histories
from tidemill_pipelines.valuing.processes.pareto import ParetoNbd
from tidemill_pipelines.valuing.processes.process import Process, fit_process

PROCESSES: tuple[type[Process], ...] = (BgNbd, MbgNbd, ParetoNbd)
_LEAST_PURCHASES = 1e-9
_LEAST_WORTH = 1e-9


class HistoryReader(nn.Module):
    """features float32 [n, F] -> Histories. Who never bought is read as somebody who bought once,
    as long ago as anybody."""

    def __init__(self, columns: HistoryColumns, longest: float) -> None:
        super().__init__()
        self._columns = columns
        self._longest = longest

    def forward(self, features: Tensor) -> Histories:
        at = self._columns
        days, value, first, since = (
            features[:, column].double()
            for column in (at.days, at.value, at.since_first, at.since_last)
        )
        days = torch.where(torch.isnan(days), 1.0, torch.clamp(days, min=1.0))
        value = torch.where(torch.isnan(value), 0.0, value)
        age = torch.where(torch.isnan(first), self._longest, torch.clamp(first, min=0.0))
        since = torch.where(torch.isnan(since), self._longest, torch.clamp(since, min=0.0))
        last = torch.where(days > 1, torch.clamp(age - since, min=0.0), 0.0)
        return Histories(days - 1, last, age, torch.clamp(value / days, min=0.0))


class Foundation(nn.Module):
    """The geometric mean of what the processes expect, and the gamma-gamma model's worth.

    Which process is right is rarely clear from the histories, and their errors differ.
    """

    def __init__(
        self, reader: HistoryReader, processes: Sequence[Process], worth: GammaGamma
    ) -> None:
        super().__init__()
        self.reader = reader
        self.processes = nn.ModuleList(processes)
        self.worth = worth

    @property
    def members(self) -> list[Process]:
        """The processes."""
        return [each for each in self.processes if isinstance(each, Process)]

    def log_purchases(self, histories: Histories, days: Tensor | float) -> Tensor:
        """Logarithm of the purchases expected in the next `days`, float64 [n]."""
        return self.opinions(histories, days).mean(dim=1)

    def opinions(self, histories: Histories, days: Tensor | float) -> Tensor:
        """As `log_purchases`, of each process alone, float64 [n, processes]."""
        expected = [each.expected(histories, days) for each in self.members]
        logs = [torch.log(torch.clamp(each, min=_LEAST_PURCHASES)) for each in expected]
        return torch.stack(logs, dim=1)

    def log_worth(self, histories: Histories) -> Tensor:
        """Logarithm of the mean value of a purchase, float64 [n]."""
        return torch.log(torch.clamp(self.worth(histories), min=_LEAST_WORTH))


def fit_foundation(vectors: NDArray[np.float32], columns: HistoryColumns, seed: int) -> Foundation:
    """From the feature vectors of all customers at one cutoff; no outcomes are needed."""
    longest = float(np.nanmax(vectors[:, columns.since_first]))
    reader = HistoryReader(columns, longest)
    histories = reader(torch.from_numpy(vectors))
    processes = [fit_process(kind, histories, seed) for kind in PROCESSES]
    return Foundation(reader, processes, fit_gamma_gamma(histories, seed))
