"""What recommenders of one objective are judged on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import NotReadyError
from tidemill.objective import Objective
from tidemill.recommendation.histories import ItemTable, RecommendationSet, Window
from tidemill_pipelines.recommending.declared import AnyChoice, choice_of
from tidemill_pipelines.recommending.judged import judged_part
from tidemill_pipelines.recommending.simple_rule import popularity


@dataclass(frozen=True)
class Task:
    """Users of the test window with what they did, and what everybody knew at its cutoff."""

    objective: Objective
    table: ItemTable
    window: Window
    """Of the users who are judged."""
    popular: NDArray[np.float64]
    """[items], see simple_rule.popularity; of everybody."""
    known_to: NDArray[np.int64]
    """[items], users with interest in each; of everybody."""
    users: int
    """How many everybody is."""

    @classmethod
    def of(cls, objective: Objective, data: RecommendationSet) -> Task:
        """Raises NotReadyError when nobody did anything that could have been offered."""
        histories, items = data.later.histories, len(data.items.ids)
        window = judged_part(data.later, objective.spec.training.seed)
        if not len(window.histories):
            raise NotReadyError(
                f"none of {len(histories)} users did anything in the test window from "
                f"{histories.cutoff:%Y-%m-%d} that might have been offered: no model can be judged",
                hint="a longer `within`, fewer exclusions or broader `items` give more",
            )
        horizon_days = objective.target.within / timedelta(days=1)
        return cls(
            objective,
            data.items,
            window,
            popularity(histories, items, horizon_days),
            np.bincount(histories.items, minlength=items),
            len(histories),
        )

    @property
    def choice(self) -> AnyChoice:
        return choice_of(self.objective)

    @property
    def values(self) -> NDArray[np.float32] | None:
        """What each item is worth; None where all are worth the same."""
        return None if self.objective.spec.next_best_offer is None else self.table.values
