"""The rows that lie in the online store now, of a sample of the users who are active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.home import Home
from tidemill.online import open_online_reader

if TYPE_CHECKING:
    import duckdb

_SAMPLE = 1_000
_ACTIVE = timedelta(days=28)
_USERS = """
SELECT user_id, epoch_us(MIN(received_at)) FROM user_events
WHERE superseded_at IS NULL AND timestamp < $at AND received_at < $at
GROUP BY user_id HAVING MAX(timestamp) >= $start ORDER BY hash(user_id), user_id LIMIT $most
"""
_FIRST_KNOWN = """
SELECT user_id, epoch_us(MIN(received_at)) FROM user_events SEMI JOIN strangers USING (user_id)
WHERE superseded_at IS NULL GROUP BY user_id
"""


@dataclass(frozen=True)
class StoredRows:
    """Rows of some active users."""

    cutoffs: NDArray[np.int64]
    """[users], microseconds since 1970 UTC; 0 for a user without a row."""
    known_since: NDArray[np.int64]
    """[users]; when the first event of each became known."""


def read_stored(
    con: duckdb.DuckDBPyConnection, home: Home, view: str, features: Sequence[str], at: datetime
) -> StoredRows:
    """Rows of up to 1,000 users who were active in the 28 days before `at`.

    Raises OnlineStoreError when the store is out of reach.
    """
    parameters = {"at": at, "start": at - _ACTIVE, "most": _SAMPLE}
    users = con.execute(_USERS, parameters).fetchall()
    with closing(open_online_reader(home, view, features)) as reader:
        rows = reader.read_packed([user for user, _ in users])
    return StoredRows(
        np.asarray([0 if row is None else row[0] for row in rows], dtype=np.int64),
        np.asarray([known for _, known in users], dtype=np.int64),
    )


def known_before(con: duckdb.DuckDBPyConnection, asked: Mapping[str, int], least: timedelta) -> int:
    """How many users had events for at least so long when they were asked for, in microseconds."""
    if not asked:
        return 0
    con.register("strangers", pa.table({"user_id": pa.array(list(asked), pa.string())}))
    found = con.execute(_FIRST_KNOWN).fetchall()
    con.unregister("strangers")
    wait = least // timedelta(microseconds=1)
    return sum(known + wait <= asked[user] for user, known in found)
