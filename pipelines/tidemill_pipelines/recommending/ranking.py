"""Moved to tidemill.recommendation.ranking, because monitors must mean the same by a number."""

from tidemill.recommendation.ranking import (
    PairedDifference,
    PerUser,
    Ranking,
    coverage,
    diversity,
    ndcg_per_user,
    new_outcomes,
    novelty,
    paired_mean_difference,
    popularity_share,
    recall_per_user,
    without,
)

__all__ = [
    "PairedDifference",
    "PerUser",
    "Ranking",
    "coverage",
    "diversity",
    "ndcg_per_user",
    "new_outcomes",
    "novelty",
    "paired_mean_difference",
    "popularity_share",
    "recall_per_user",
    "without",
]
