"""Reads what the checks look at: feature rows of the population at every cutoff, with labels.

The rows are those a training would compute, and are kept for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import duckdb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_features.catalog import Catalog, load_catalog
from tidemill_features.discovery import discover_signals
from tidemill_features.engine import to_matrix
from tidemill_features.instants import in_microseconds
from tidemill_features.labels import label_pairs
from tidemill_features.rows import ensure_rows, read_rows, rows_file
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.population import population_rule, target_signal
from tidemill_pipelines.windows import Windows

MOST_ROWS = 10_000
"""Of one cutoff: more would cost minutes and gigabytes, and change no answer."""
_ENOUGH = 1_000
"""Of them, of the rarer class, if there are so many: few enough to leave the rows as they are."""


def gather(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    at: datetime,
    windows: Windows,
) -> Material:
    """Compute or read the rows, and label those whose outcome is known.

    The catalog is that of the home, grown as a training would grow it, and not saved.
    """
    found = discover_signals(con, max(windows.train))
    catalog = load_catalog(home).grown_by([*found, target_signal(objective)])
    for _ in ensure_rows(home, catalog, [*windows.all, at]):
        pass
    rng = np.random.default_rng(objective.spec.training.seed)
    members = [_members(home, objective, catalog, cutoff) for cutoff in (*windows.all, at)]
    labels = _labels(con, objective, [each.users for each in members[:-1]], windows.all)
    parts = [
        _read(home, catalog, cutoff, each, outcomes, choose_rows(outcomes, rng))
        for cutoff, each, outcomes in zip(windows.all, members[:-1], labels, strict=True)
    ]
    unknown = np.zeros(len(members[-1].users), dtype=np.bool_)
    return Material(
        home=home,
        con=con,
        objective=objective,
        at=at,
        catalog=catalog,
        windows=windows,
        train=_joined(parts[:-1]),
        test=parts[-1],
        current=_read(home, catalog, at, members[-1], unknown, choose_rows(unknown, rng)),
    )


@dataclass(frozen=True)
class _Members:
    """The population of one cutoff."""

    users: list[str]
    positions: NDArray[np.int64]
    """In the file of the cutoff's rows."""


def _members(home: Home, objective: Objective, catalog: Catalog, cutoff: datetime) -> _Members:
    rule = population_rule(objective)
    rows = pq.read_table(rows_file(home, catalog, cutoff), columns=["user_id", rule.feature])
    positions = np.flatnonzero(rule.contains(rows.column(rule.feature).to_numpy()))
    return _Members(rows.column("user_id").take(positions).to_pylist(), positions)


def _labels(
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    users: Sequence[list[str]],
    cutoffs: Sequence[datetime],
) -> list[NDArray[np.bool_]]:
    """Of the users at each cutoff, in one pass over the log."""
    sizes = [len(each) for each in users]
    instants = np.repeat([in_microseconds(cutoff) for cutoff in cutoffs], sizes).tolist()
    labels = label_pairs(con, objective.target, list(chain(*users)), instants)
    return np.split(labels, np.cumsum(sizes)[:-1])


def _read(
    home: Home,
    catalog: Catalog,
    cutoff: datetime,
    members: _Members,
    labels: NDArray[np.bool_],
    chosen: NDArray[np.int64],
) -> Rows:
    rows = read_rows(home, catalog, cutoff).take(members.positions[chosen])
    return Rows(
        users=np.asarray(rows.column("user_id").to_pylist(), dtype=np.str_),
        cutoffs=np.full(rows.num_rows, in_microseconds(cutoff), dtype=np.int64),
        labels=labels[chosen],
        vectors=to_matrix(rows, catalog.names),
        features=catalog.names,
    )


def choose_rows(labels: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of at most MOST_ROWS rows, in order: drawn by chance, with enough of either class.

    How often a class is drawn changes no AUC, and its precision hangs on the rarer one.
    """
    if len(labels) <= MOST_ROWS:
        return np.arange(len(labels))
    drawn = rng.permutation(len(labels))
    rarer = labels if labels.mean() <= 1 / 2 else ~labels
    few = drawn[rarer[drawn]][:_ENOUGH]
    others = drawn[~np.isin(drawn, few)][: MOST_ROWS - len(few)]
    return np.sort(np.concatenate([few, others]))


def _joined(parts: Sequence[Rows]) -> Rows:
    return Rows(
        users=np.concatenate([part.users for part in parts]),
        cutoffs=np.concatenate([part.cutoffs for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        vectors=np.concatenate([part.vectors for part in parts]),
        features=parts[0].features,
    )
