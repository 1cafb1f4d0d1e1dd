"""Builds the training set of an objective: catalog, feature rows, Feast's join, labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_features.catalog import Catalog, load_catalog, save_catalog
from tidemill_features.discovery import discover_signals
from tidemill_features.feast_store import FeatureStorePort
from tidemill_features.labels import label_users
from tidemill_features.rows import ensure_rows, read_rows
from tidemill_pipelines.dataset import CURRENT, TEST, TRAIN, label_rows
from tidemill_pipelines.population import population_rule, target_signal


@dataclass(frozen=True)
class Built:
    """Size of a training set."""

    rows: int
    features: int


def build(
    home: Home,
    objective: Objective,
    train: Sequence[datetime],
    test: datetime,
    at: datetime,
    path: Path,
) -> Built:
    """Write the train, test and current rows of the objective's population to `path`.

    Signals are looked for only in what was known at the newest training cutoff, so that the test
    window stays unseen.
    """
    con = EventLog(home.events).connect()
    catalog = _grow_catalog(home, con, objective, known_at=max(train))
    cutoffs = [*train, test, at]
    for _ in ensure_rows(home, catalog, cutoffs):
        pass
    users, instants = _population(home, catalog, objective, cutoffs)
    rows = FeatureStorePort(home, catalog).training_rows(users, instants)
    splits = {**dict.fromkeys(train, TRAIN), test: TEST, at: CURRENT}
    table = _label(con, objective, rows, splits)
    con.close()
    pq.write_table(table, path)
    return Built(table.num_rows, len(catalog.names))


def _grow_catalog(
    home: Home, con: duckdb.DuckDBPyConnection, objective: Objective, known_at: datetime
) -> Catalog:
    with home.lock("catalog"):
        found = discover_signals(con, known_at)
        catalog = load_catalog(home).grown_by([*found, target_signal(objective)])
        save_catalog(home, catalog)
    return catalog


def _population(
    home: Home, catalog: Catalog, objective: Objective, cutoffs: Sequence[datetime]
) -> tuple[list[str], list[datetime]]:
    rule = population_rule(objective)
    users: list[str] = []
    instants: list[datetime] = []
    for cutoff in cutoffs:
        rows = read_rows(home, catalog, cutoff)
        members = rule.contains(rows.column(rule.feature).to_numpy())
        chosen = np.asarray(rows.column("user_id").to_pylist(), dtype=object)[members]
        users += chosen.tolist()
        instants += [cutoff] * len(chosen)
    return users, instants


def _label(
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    rows: pa.Table,
    splits: dict[datetime, str],
) -> pa.Table:
    """One part per cutoff, in the order of `splits`; current rows have no outcome yet."""
    parts = []
    stamps = rows.column("event_timestamp").cast(pa.timestamp("us", tz="UTC"))
    for cutoff, split in splits.items():
        part = rows.filter(pa.compute.equal(stamps, pa.scalar(cutoff, stamps.type)))
        part = part.sort_by("user_id")
        users = part.column("user_id").to_pylist()
        labels: NDArray[np.bool_] = np.zeros(len(users), dtype=np.bool_)
        if split != CURRENT:
            labels = label_users(con, objective.target, cutoff, users)
        parts.append(label_rows(part, labels, [split] * len(users)))
    return pa.concat_tables(parts)
