"""Builds the training set of a lifetime value: catalog, feature rows, Feast's join, outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_features.catalog import Catalog, load_catalog, save_catalog
from tidemill_features.discovery import discover_signals
from tidemill_features.feast_store import FeatureStorePort
from tidemill_features.instants import in_microseconds
from tidemill_features.purchases import Purchases, count_purchases
from tidemill_features.rows import ensure_rows, read_rows
from tidemill_pipelines.training_set import Built
from tidemill_pipelines.valuing.customers import customer_rule, purchase_signal, value_of
from tidemill_pipelines.valuing.dataset import (
    CURRENT,
    GONE,
    PURCHASES,
    TEST,
    TRAIN,
    VALUE,
    write_customers,
)
from tidemill_pipelines.valuing.windows import ValueWindows


def build_customers(
    home: Home, objective: Objective, windows: ValueWindows, at: datetime, path: Path
) -> Built:
    """Write rows of customers at every cutoff to `path`; where purchase processes are fitted, also
    of those who are not predicted for any more."""
    splits = {**dict.fromkeys(windows.train, TRAIN), windows.test: TEST, at: CURRENT}
    fitted = {*windows.rehearsed, windows.test, at}
    with EventLog(home.events).connect() as con:
        catalog = _grow_catalog(home, con, objective, known_at=max(windows.train))
        for _ in ensure_rows(home, catalog, list(splits)):
            pass
        chosen = {
            cutoff: _customers(home, catalog, objective, cutoff, split, keep_gone=cutoff in fitted)
            for cutoff, split in splits.items()
        }
        rows = _rows(home, catalog, chosen)
        parts = []
        for cutoff, kinds in chosen.items():
            found = _outcomes(
                con, objective, windows, cutoff, rows[cutoff], is_known=splits[cutoff] != CURRENT
            )
            parts.append((found, [kinds[user] for user in found["user_id"].to_pylist()]))
    rows_written = write_customers(path, parts, windows.judged)
    return Built(rows_written, len(catalog.names))


def _grow_catalog(
    home: Home, con: duckdb.DuckDBPyConnection, objective: Objective, known_at: datetime
) -> Catalog:
    with home.lock("catalog"):
        found = discover_signals(con, known_at)
        catalog = load_catalog(home).grown_by([*found, purchase_signal(objective)])
        save_catalog(home, catalog)
    return catalog


def _customers(
    home: Home,
    catalog: Catalog,
    objective: Objective,
    cutoff: datetime,
    split: str,
    *,
    keep_gone: bool,
) -> dict[str, str]:
    """Splits by the ids of those predicted for, or, where asked, of all who ever bought."""
    rule, rows = customer_rule(objective), read_rows(home, catalog, cutoff)
    recency = rows.column(rule.feature).to_numpy()
    members = rule.contains(recency)
    chosen = ~np.isnan(recency) if keep_gone else members
    users = np.asarray(rows.column("user_id").to_pylist(), dtype=object)[chosen].tolist()
    kinds = [split if member else GONE for member in members[chosen].tolist()]
    return dict(zip(users, kinds, strict=True))


def _rows(
    home: Home, catalog: Catalog, chosen: dict[datetime, dict[str, str]]
) -> dict[datetime, pa.Table]:
    """Feature rows at each cutoff, by user. Feast is asked once."""
    users = [user for kinds in chosen.values() for user in kinds]
    instants = [cutoff for cutoff, kinds in chosen.items() for _ in kinds]
    rows = FeatureStorePort(home, catalog).training_rows(users, instants)
    stamp = rows.column("event_timestamp").cast(pa.timestamp("us", tz="UTC"))
    rows = rows.set_column(1, "event_timestamp", stamp).sort_by("user_id")
    at = rows.column("event_timestamp")
    return {
        cutoff: rows.filter(pa.compute.equal(at, pa.scalar(cutoff, stamp.type)))
        for cutoff in chosen
    }


def _outcomes(
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    windows: ValueWindows,
    cutoff: datetime,
    rows: pa.Table,
    *,
    is_known: bool,
) -> pa.Table:
    """Rows with what each customer then bought; nothing where that is not known yet."""
    users: Sequence[str] = rows.column("user_id").to_pylist()
    bought = Purchases(np.zeros(len(users)), np.zeros(len(users)))
    if is_known:
        target = replace(objective.target, within=windows.judged)
        instants = [in_microseconds(cutoff)] * len(users)
        bought = count_purchases(con, target, value_of(objective).value, users, instants)
    return rows.append_column(PURCHASES, pa.array(bought.counts)).append_column(
        VALUE, pa.array(bought.values)
    )
