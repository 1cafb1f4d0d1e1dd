"""The events of a few users, in memory, so that their features need no second look at the log."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

# What features read. The other columns are wide, and reading them would take most of the time.
_COLUMNS = "user_id, name, item_id, timestamp, received_at, superseded_at, value, properties"
_SHIFTED = """
SELECT CAST(p.pair AS VARCHAR) AS user_id, e.name, e.item_id,
    e.timestamp + to_microseconds(p.shift) AS timestamp,
    e.received_at + to_microseconds(p.shift) AS received_at,
    e.superseded_at + to_microseconds(p.shift) AS superseded_at,
    e.value, e.properties
FROM user_events AS e JOIN pairs AS p ON p.user_id = e.user_id
"""


def slice_of_users(
    con: duckdb.DuckDBPyConnection, users: Sequence[str]
) -> duckdb.DuckDBPyConnection:
    """A connection whose `user_events` and `items` hold what concerns `users` in those of `con`.

    Features of `users` are the same on both.
    """
    con.register("sliced", pa.table({"user_id": pa.array(list(users), pa.string())}))
    events = con.execute(
        f"SELECT {_COLUMNS} FROM user_events SEMI JOIN sliced USING (user_id)"
    ).to_arrow_table()
    con.unregister("sliced")
    return _in_memory(con, events)


def slice_of_pairs(
    con: duckdb.DuckDBPyConnection, users: Sequence[str], shifts: Sequence[int]
) -> duckdb.DuckDBPyConnection:
    """As `slice_of_users`, but pair i is a user '<i>' of its own: user i, moved in time.

    All instants of its events are later by `shifts[i]`, in microseconds.
    """
    columns = {
        "pair": pa.array(range(len(users)), pa.int64()),
        "user_id": pa.array(list(users), pa.string()),
        "shift": pa.array(list(shifts), pa.int64()),
    }
    con.register("pairs", pa.table(columns))
    events = con.execute(_SHIFTED).to_arrow_table()
    con.unregister("pairs")
    return _in_memory(con, events)


def _in_memory(con: duckdb.DuckDBPyConnection, events: pa.Table) -> duckdb.DuckDBPyConnection:
    con.register("sliced", events)
    items = con.execute("SELECT * FROM items SEMI JOIN sliced USING (item_id)").to_arrow_table()
    con.unregister("sliced")
    memory = duckdb.connect()
    memory.execute("SET TimeZone = 'UTC'")
    for name, table in (("user_events", events), ("items", items)):
        memory.register("arrived", table)
        memory.execute(f"CREATE TABLE {name} AS FROM arrived")
        memory.unregister("arrived")
    return memory
