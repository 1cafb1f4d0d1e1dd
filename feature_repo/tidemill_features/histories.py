"""Moved to tidemill.recommendation.histories."""

from tidemill.recommendation.histories import (
    Histories,
    ItemTable,
    Outcomes,
    RecommendationSet,
    Window,
)

__all__ = ["Histories", "ItemTable", "Outcomes", "RecommendationSet", "Window"]
