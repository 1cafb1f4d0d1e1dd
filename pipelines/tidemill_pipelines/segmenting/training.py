"""From the users' rows to an exported division."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import NotReadyError
from tidemill.objective import Objective
from tidemill_pipelines.dataset import CURRENT, TRAIN, Rows, read_split
from tidemill_pipelines.segmenting.choosing import Choice, choose
from tidemill_pipelines.segmenting.factors import FactorColumn, factor_columns, features_of
from tidemill_pipelines.segmenting.graph import check_parity, export_segments
from tidemill_pipelines.segmenting.notes import write_notes
from tidemill_pipelines.segmenting.readiness import declared_segmentation
from tidemill_pipelines.segmenting.scaling import Scaling
from tidemill_pipelines.segmenting.segment_set import population_rule

_MOST_USERS = 10_000
"""Segments are looked for among so many; a gap that these do not show is none to act on."""


@dataclass(frozen=True)
class Found:
    """What training has to say."""

    choice: Choice
    users: int
    difference: float
    """Of ONNX from NumPy, in a distance."""


def model_features(objective: Objective) -> tuple[str, ...]:
    """What the graph is given: the factors' features and the one that defines the population."""
    columns = factor_columns(declared_segmentation(objective))
    return tuple(dict.fromkeys([*features_of(columns), population_rule(objective).feature]))


def model_rows(rows: Rows, features: tuple[str, ...]) -> NDArray[np.float32]:
    """[n, features], in this order."""
    return np.column_stack([rows.column(name) for name in features])


def factor_values(rows: Rows, columns: tuple[FactorColumn, ...]) -> NDArray[np.float32]:
    """[n, factors], raw."""
    return np.column_stack([rows.column(column.feature) for column in columns])


def find_segments(objective: Objective, dataset: Path, model: Path) -> Found:
    """Divide the users of `dataset` and write the graph to `model`.

    Raises NotReadyError when all users are alike in a factor.
    """
    declared, seed = declared_segmentation(objective), objective.spec.training.seed
    columns, features = factor_columns(declared), model_features(objective)
    rng = np.random.default_rng(seed)
    now, older = (_sample(read_split(dataset, split), rng) for split in (CURRENT, TRAIN))
    raw = factor_values(now, columns)
    _check_differences(raw, columns)
    counts = np.column_stack([now.column(column.count) for column in columns])
    scaling = Scaling.fit(raw, counts, columns, rng)
    before = (
        scaling.spread(factor_values(older, columns), columns, rng) if len(older.users) else None
    )
    choice = choose(scaling.spread(raw, columns, rng), before, declared.segments, seed)
    division = choice.chosen.division
    places = [features.index(column.feature) for column in columns]
    export_segments(model, scaling, division, places, len(features))
    rows = model_rows(now, features)
    difference = check_parity(model, rows, scaling.exact(raw), division)
    write_notes(model, choice)
    return Found(choice, len(now.users), difference)


def _sample(rows: Rows, rng: np.random.Generator) -> Rows:
    """Everybody, or so many of them."""
    if len(rows.users) <= _MOST_USERS:
        return rows
    chosen = np.sort(rng.permutation(len(rows.users))[:_MOST_USERS])
    return Rows(
        rows.users[chosen],
        rows.cutoffs[chosen],
        rows.labels[chosen],
        rows.vectors[chosen],
        rows.features,
    )


def _check_differences(raw: NDArray[np.float32], columns: tuple[FactorColumn, ...]) -> None:
    for column, values in zip(columns, raw.T, strict=True):
        if len(np.unique(values, equal_nan=True)) < 2:
            raise NotReadyError(
                f"factor '{column.name}' is {values[0]:g} for all of {len(values)} users, so "
                "nobody differs in it",
                hint="leave it out, or let `within` reach further back",
            )
