"""The users to divide: their features as known now, and as known one period before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.bundle import PopulationRule
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_features.aggregates import DAYS_SINCE_LAST
from tidemill_features.catalog import Catalog, Signal, feature_name, load_catalog, save_catalog
from tidemill_features.feast_store import FeatureStorePort
from tidemill_features.rows import ensure_rows, read_rows
from tidemill_pipelines.dataset import CURRENT, TRAIN, label_rows
from tidemill_pipelines.segmenting.factors import factor_signals
from tidemill_pipelines.segmenting.readiness import declared_segmentation


def population_rule(objective: Objective) -> PopulationRule:
    """Who was active lately."""
    days = objective.spec.population.active_within.total_seconds() / 86_400
    feature = feature_name(Signal(None), DAYS_SINCE_LAST.name)
    return PopulationRule(feature=feature, max_days=days)


def build_segment_set(
    home: Home, objective: Objective, at: datetime, older: datetime | None, path: Path
) -> int:
    """Write the population's rows as of `at`, and of `older` beside them; returns the former."""
    with home.lock("catalog"):
        signals = factor_signals(declared_segmentation(objective))
        catalog = load_catalog(home).grown_by(signals)
        save_catalog(home, catalog)
    splits = {at: CURRENT} if older is None else {older: TRAIN, at: CURRENT}
    for _ in ensure_rows(home, catalog, list(splits)):
        pass
    parts = [_part(home, catalog, objective, *each) for each in splits.items()]
    pq.write_table(pa.concat_tables(parts), path)
    return int(parts[-1].num_rows)


def _part(
    home: Home, catalog: Catalog, objective: Objective, cutoff: datetime, split: str
) -> pa.Table:
    rule, rows = population_rule(objective), read_rows(home, catalog, cutoff)
    members = rule.contains(rows.column(rule.feature).to_numpy())
    users = np.asarray(rows.column("user_id").to_pylist(), dtype=object)[members].tolist()
    found = FeatureStorePort(home, catalog).training_rows(users, [cutoff] * len(users))
    nobody = np.zeros(len(users), dtype=np.bool_)
    return label_rows(found.sort_by("user_id"), nobody, [split] * len(users))
