"""What an objective that chooses items declares."""

from __future__ import annotations

from tidemill.objective import Objective
from tidemill.objective.recommending import NextBestOffer, Recommendation

AnyChoice = Recommendation | NextBestOffer


def choice_of(objective: Objective) -> AnyChoice:
    """Raises ValueError for an objective that predicts an outcome."""
    if objective.choice is None:
        raise ValueError(f"'{objective.name}' is a {objective.type}, which has no items to choose")
    return objective.choice
