"""Slices by the newest value of a property: the ones that a challenger may not serve worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill_features.user_attributes import newest_values
from tidemill_monitoring.decay.known import KnownRows

if TYPE_CHECKING:
    import duckdb

_DAY_US = 86_400_000_000
_MOST_SLICES = 20
"""Of one property, those of most users."""


def guarded_slices(
    con: duckdb.DuckDBPyConnection, fields: Sequence[str], rows: KnownRows
) -> dict[str, NDArray[np.bool_]]:
    """Members of each slice among `rows`, [rows]; `fields` are `property.<name>`."""
    found: dict[str, NDArray[np.bool_]] = {}
    for field in fields:
        values = _values(con, field, rows)
        distinct, counts = np.unique(values, return_counts=True)
        for value in distinct[np.argsort(-counts, kind="stable")][:_MOST_SLICES].tolist():
            name = f"{field} = {value}" if value else f"users without {field}"
            found[name] = values == value
    return found


def _values(con: duckdb.DuckDBPyConnection, field: str, rows: KnownRows) -> NDArray[np.str_]:
    """As known at the last cutoff of each row's day: one look at the log for each day is enough."""
    values = np.full(len(rows.users), "", dtype=object)
    days = rows.cutoffs // _DAY_US
    for day in np.unique(days):
        chosen = days == day
        newest = newest_values(
            con, field, int(rows.cutoffs[chosen].max()), rows.users[chosen].tolist()
        )
        values[chosen] = [value or "" for value in newest]
    return values.astype(np.str_)
