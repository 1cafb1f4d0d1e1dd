"""What a plan would refuse of the events that the log holds already."""

from __future__ import annotations

from collections import Counter

import duckdb
import pyarrow as pa

from tidemill.events.plan.checking import violations
from tidemill.events.plan.schema import TrackingPlan

_ROWS = 100_000


def count_violations(con: duckdb.DuckDBPyConnection, plan: TrackingPlan) -> dict[str, int]:
    """Events of the view `events` by reason, the most frequent first."""
    counts: Counter[str] = Counter()
    for batch in con.execute("SELECT * FROM events").to_arrow_reader(_ROWS):
        found = violations(pa.Table.from_batches([batch]), plan)
        counts.update(reason for _, reason in found)
    return dict(counts.most_common())
