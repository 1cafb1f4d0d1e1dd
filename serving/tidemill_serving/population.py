"""Where the grades' cut points lie in the population that is being served right now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import BundleMetadata
from tidemill.grading import grade_thresholds
from tidemill.online import OnlineReader
from tidemill_serving.model import Model

SAMPLE_ROWS = 20_000
LEAST_ROWS = 100
_ROWS_PER_RUN = 1_000


Thresholds = tuple[float, float, float]
"""Lowest score of A, B and C."""


def served_thresholds(model: Model, reader: OnlineReader) -> tuple[Thresholds, Thresholds]:
    """Of the model's and of its rule's scores among the users the objective speaks about.

    Fewer than `LEAST_ROWS` such users say too little: the cut points of training are kept.
    """
    members = select_population(reader.sample(SAMPLE_ROWS).vectors, model.metadata)
    if len(members) < LEAST_ROWS:
        return model.metadata.grade_thresholds, model.metadata.grade_thresholds
    runs = range(0, len(members), _ROWS_PER_RUN)
    scores = np.concatenate([model.score(members[at : at + _ROWS_PER_RUN]) for at in runs])
    shares = model.metadata.grade_shares
    own = grade_thresholds(scores, shares)
    ruled = rule_scores(model.metadata, members)
    return own, own if ruled is None else grade_thresholds(ruled, shares)


def rule_scores(
    metadata: BundleMetadata, vectors: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """The simple rule's score of each row of `vectors` [n, features]; None without a rule."""
    rule = metadata.rule
    if rule is None:
        return None
    return rule.scores(vectors[:, metadata.features.index(rule.feature)])


def select_population(
    vectors: NDArray[np.float32], metadata: BundleMetadata
) -> NDArray[np.float32]:
    """Rows of `vectors` [n, features] inside the bundle's population rule; a NaN is outside."""
    column = metadata.features.index(metadata.population.feature)
    members: NDArray[np.float32] = vectors[metadata.population.contains(vectors[:, column])]
    return members
