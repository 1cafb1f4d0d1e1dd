"""What users last said of themselves: the values that cut them into slices."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from tidemill_features.interest_sql import contexts

_ASKED = "asked_users"


def newest_values(
    con: duckdb.DuckDBPyConnection, field: str, cutoff_us: int, users: Sequence[str]
) -> list[str | None]:
    """The newest value of `property.<name>` of each user, as known at the cutoff; None for none.

    `cutoff_us` is in microseconds since 1970 UTC; `con` has the view `user_events`.
    """
    con.register(_ASKED, pa.table({"user_id": pa.array(list(users), pa.string())}))
    try:
        found = dict(con.execute(contexts(field, cutoff_us, _ASKED)).fetchall())
    finally:
        con.unregister(_ASKED)
    return [found.get(user) for user in users]
