"""What the checks of an outcome objective look at: its windows, and feature rows with labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_features.catalog import Catalog
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.windows import Windows


@dataclass(frozen=True)
class Material:
    """Rows of the population's users, of at most some ten thousand of them."""

    home: Home
    con: duckdb.DuckDBPyConnection
    """With the views `events`, `user_events` and `items`."""
    objective: Objective
    at: datetime
    catalog: Catalog
    windows: Windows
    train: Rows
    """Of all training cutoffs, the oldest first."""
    test: Rows
    current: Rows
    """As of `at`; their labels are not known yet and False."""
