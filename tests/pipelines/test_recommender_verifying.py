"""Blends are chosen by metrics of the whole catalogue, and measured in what ships."""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tidemill_pipelines.recommending.blend import Scaling
from tidemill_pipelines.recommending.candidates.candidate import Scores
from tidemill_pipelines.recommending.contest import rescaled
from tidemill_pipelines.recommending.panel import Cells, Judged, Panel, judge, observe, panel_of
from tidemill_pipelines.recommending.verifying import Verified, verify

LOGS: dict[str, Any] = runpy.run_path(
    str(Path(__file__).parents[2] / "benchmarks" / "recommendation_logs.py")
)


class Fixed(Scores):
    """The same scores for everybody."""

    def __init__(self, scores: torch.Tensor) -> None:
        super().__init__()
        self.items = len(scores)
        self.scores = scores

    def forward(self, history: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(history), -1)


@dataclass
class Contest:
    """A panel whose cells were drawn for one candidate, the most popular items."""

    panel: Panel
    cells: Cells
    seen: torch.Tensor
    """[items], how many users know each."""

    def judged(self, scores: torch.Tensor) -> Judged:
        return judge(self.panel, self.cells, scores.numpy()[self.cells.item])

    def verified(self, scores: torch.Tensor, members: int) -> Verified:
        chosen = np.zeros(len(self.panel.users), np.bool_)
        chosen[np.random.default_rng(0).permutation(len(chosen))[:members]] = True
        both = [Fixed(scores)] * 2
        return verify(self.panel, self.judged(scores), both, chosen, repeats=True, seed=0)


@pytest.fixture(scope="module")
def contest() -> Contest:
    data = LOGS["at_random"](2_000, 20_000, 30, seed=0)
    seen = torch.bincount(torch.from_numpy(data.earlier.histories.items), minlength=20_000).float()
    panel = panel_of(data.earlier, 20_000, 20, seed=0)
    return Contest(panel, observe(panel, [Fixed(seen)], seed=0), seen)


def test_a_candidates_own_metrics_are_exact(contest: Contest) -> None:
    """Its first places were all looked at."""
    exact = contest.verified(contest.seen, members=2_000).judged
    assert np.nanmean(contest.judged(contest.seen).ndcg) == pytest.approx(np.nanmean(exact.ndcg))


def test_what_was_not_drawn_counts_all_the_same(contest: Contest) -> None:
    """Unpopular items first: nobody's outcomes, though they are what the cells hold of those."""
    flattered = np.nanmean(contest.judged(-contest.seen).ndcg)
    honest = np.nanmean(contest.verified(-contest.seen, members=300).judged.ndcg)
    assert flattered > 0.02
    assert honest < flattered / 4


def test_a_level_that_is_too_high_is_lowered(contest: Contest) -> None:
    """Everything certain, and hardly anything taken up."""
    assert contest.verified(contest.seen / contest.seen.max(), members=300).shift < -3


def test_scores_are_measured_by_their_own_spread(contest: Contest) -> None:
    """A candidate that learned anew may have logits of another size."""
    nothing = Scaling(np.zeros(1), np.ones(1), np.zeros(2), np.ones(2))
    histories = contest.panel.window.histories
    once, tenfold = (
        rescaled(nothing, [Fixed(each)], histories, 20, 0)
        for each in (contest.seen, 10 * contest.seen)
    )
    assert tenfold.mean == pytest.approx(10 * once.mean)
    assert tenfold.scale == pytest.approx(10 * once.scale)
    assert (once.user_mean == nothing.user_mean).all()
