"""A sample of recent events that questions about properties can afford to parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidemill_monitoring.event_log.arrivals import Arrivals
from tidemill_monitoring.event_log.span import DAY_NUMBER, IN_SPAN, Span

if TYPE_CHECKING:
    import duckdb

_PER_DAY = 200
"""Events of a name and day; shares of properties need no more."""
# By the hash of its id an event is in the sample always or never, whatever else is in the log.
_SAMPLE = f"""
CREATE OR REPLACE TEMP TABLE event_sample AS
SELECT name, {DAY_NUMBER.format(time="timestamp")} AS day, properties
FROM events JOIN sampling USING (name)
WHERE {IN_SPAN} AND hash(event_id) % one_in = 0
"""


def take_sample(con: duckdb.DuckDBPyConnection, arrivals: Arrivals, span: Span) -> None:
    """Create the table event_sample(name, day, properties) over the days of `span`.

    A rare name is in it with all its events, a frequent one with about 200 a day.
    """
    daily = arrivals.counts[:, -span.days :].mean(axis=1)
    one_in = np.maximum(1, daily // _PER_DAY).astype(np.uint64)
    sampling = pa.table({"name": pa.array(arrivals.names, pa.string()), "one_in": one_in})
    con.register("sampling", sampling)
    con.execute(_SAMPLE, span.parameters)
    con.unregister("sampling")
