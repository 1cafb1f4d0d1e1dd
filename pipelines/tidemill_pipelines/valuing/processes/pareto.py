"""Customers who may leave at any time: Pareto/NBD (Schmittlein, Morrison & Colombo 1987).

The rate of leaving varies among customers by a gamma distribution. With the rate of purchases
integrated out, what is left is one integral over the time of leaving, between the last purchase
and now.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tidemill_pipelines.valuing.processes.histories import Histories
from tidemill_pipelines.valuing.processes.process import Process

_PLACES, _WEIGHTS = (torch.from_numpy(each) for each in np.polynomial.legendre.leggauss(48))
_NEAR_ONE = 1e-6


class ParetoNbd(Process):
    NAME = "Pareto/NBD"
    PARAMETERS = ("r", "alpha", "s", "beta")
    TIMES = ("alpha", "beta")

    def __init__(self, **parameters: float) -> None:
        super().__init__(**parameters)
        self._power = parameters["s"] - 1

    def log_likelihood(self, histories: Histories) -> Tensor:
        r = self.theta[0].exp()
        rate = torch.lgamma(r + histories.repeats) - torch.lgamma(r) + r * self.theta[1]
        alive, gone = self._log_parts(histories)
        return rate + torch.logaddexp(alive, gone)

    def expected(self, histories: Histories, days: Tensor | float) -> Tensor:
        r, alpha, _, beta = self.theta.exp()
        clock: Tensor = beta + histories.age
        left = clock / (clock + days)
        power = self._power
        stays: Tensor = -torch.log(left) if abs(power) < _NEAR_ONE else (1 - left**power) / power
        rate: Tensor = (r + histories.repeats) / (alpha + histories.age)
        return self.alive(histories) * rate * clock * stays

    def alive(self, histories: Histories) -> Tensor:
        alive, gone = self._log_parts(histories)
        return 1 / (1 + torch.exp((gone - alive).clamp(-700.0, 700.0)))

    def _log_parts(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """Logarithms of the history's likelihood when the customer is alive, and when not, but for
        the factors they have in common."""
        r, alpha, s, beta = self.theta.exp()
        power = r + histories.repeats
        alive = -power * torch.log(alpha + histories.age)
        alive = alive + s * torch.log(beta / (beta + histories.age))
        share = torch.exp(-power * torch.log((alpha + histories.age) / (alpha + histories.last)))
        # The integral over the time of leaving, in a variable in which the purchases' part is flat.
        flat = 1 - (1 - share)[:, None] * (1 - _PLACES) / 2
        time = (alpha + histories.last)[:, None] * torch.exp(-torch.log(flat) / power[:, None])
        density = time * torch.exp(-(s + 1) * torch.log((beta - alpha + time) / beta))
        integral = (density * _WEIGHTS).sum(dim=1) / 2 * (1 - share) * s / (power * beta)
        gone = -power * torch.log(alpha + histories.last) + torch.log(integral.clamp_min(1e-300))
        return alive, gone
