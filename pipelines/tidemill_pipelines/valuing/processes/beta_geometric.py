"""Customers who may leave after a purchase: BG/NBD and MBG/NBD.

After each purchase the customer leaves with a probability p that varies among customers by a beta
distribution. In BG/NBD (Fader, Hardie & Lee 2005, "Counting your customers" the easy way) that
cannot happen after the first purchase, so who bought once is alive for sure; in MBG/NBD (Batislam,
Denizel & Filiztekin 2007) it can.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from tidemill_pipelines.valuing.processes.histories import Histories
from tidemill_pipelines.valuing.processes.process import Process

_NODES = torch.linspace(-5.0, 5.0, 49, dtype=torch.float64)
_SINH, _LOG_COSH = torch.sinh(_NODES), torch.log(torch.cosh(_NODES))
_SMALLEST_LOGIT = -20.0
"""What is expected of a customer no longer depends on a probability that is smaller."""


class BetaGeometric(Process):
    """What both have in common; `FIRST` counts the first purchase as a chance to leave."""

    PARAMETERS = ("r", "alpha", "a", "b")
    TIMES = ("alpha",)
    FIRST: ClassVar[int]

    def log_likelihood(self, histories: Histories) -> Tensor:
        r, alpha, a, b = self.theta.exp()
        x, stays = histories.repeats, b + histories.repeats + self.FIRST
        rate: Tensor = torch.lgamma(r + x) - torch.lgamma(r) + r * self.theta[1]
        stayed = torch.lgamma(a + b) - torch.lgamma(b) + torch.lgamma(stays)
        stayed = stayed - torch.lgamma(a + stays)
        alive: Tensor = -(r + x) * torch.log(alpha + histories.age)
        return rate + stayed + alive + torch.log1p(torch.exp(self._log_odds_gone(histories)))

    def expected(self, histories: Histories, days: Tensor | float) -> Tensor:
        r, alpha, a, b = self.theta.exp()
        shape, clock = r + histories.repeats, alpha + histories.age
        leaves, weight = _beta(a, b + histories.repeats + self.FIRST)
        survived: Tensor = -shape[:, None] * torch.log(1 + leaves * (days / clock)[:, None])
        bought: Tensor = (1 - torch.exp(survived)) / leaves
        return self.alive(histories) * (weight * bought).sum(dim=1)

    def alive(self, histories: Histories) -> Tensor:
        return 1 / (1 + torch.exp(self._log_odds_gone(histories)))

    def _log_odds_gone(self, histories: Histories) -> Tensor:
        """Of having left right after the last purchase."""
        r, alpha, a, b = self.theta.exp()
        chances = histories.repeats + self.FIRST
        silence = torch.log((alpha + histories.age) / (alpha + histories.last))
        odds = torch.log(a / (b + chances - 1).clamp_min(1e-12))
        odds = odds + (r + histories.repeats) * silence
        return torch.where(chances > 0, odds, -torch.inf).clamp(-700.0, 700.0)


class BgNbd(BetaGeometric):
    NAME = "BG/NBD"
    FIRST = 0


class MbgNbd(BetaGeometric):
    NAME = "MBG/NBD"
    FIRST = 1


def _beta(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights [n, nodes] to integrate over a beta distribution with `b` [n].

    The trapezoidal rule in the logit behind a hyperbolic sine, which tames both tails (Takahasi &
    Mori 1974): the number of nodes does not depend on how narrow the distribution is.
    """
    width = torch.sqrt(1 / a + 1 / b)[:, None]
    logit = torch.log(a / b)[:, None] + width * _SINH
    logit = logit.clamp(_SMALLEST_LOGIT * 30, 600.0)
    density = -a * torch.log(1 + torch.exp(-logit)) - b[:, None] * torch.log(1 + torch.exp(logit))
    weight = torch.softmax(density + _LOG_COSH, dim=1)
    return 1 / (1 + torch.exp(-logit.clamp_min(_SMALLEST_LOGIT))), weight
