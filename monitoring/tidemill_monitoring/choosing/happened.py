"""What users did after they were shown a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.interest_sql import joined_items, key_of
from tidemill_features.sql import condition, quoted
from tidemill_monitoring.choosing.answers import ShownList

if TYPE_CHECKING:
    import duckdb


def items_of(
    con: duckdb.DuckDBPyConnection, definition: InterestDefinition, lists: Sequence[ShownList]
) -> list[frozenset[str]]:
    """For each list, what its user's target events were about within the horizon.

    Of a user who has since become another, it is what the person did, under whatever id.
    """
    target = definition.events[0]
    asked = {
        "place": pa.array(np.arange(len(lists)), pa.int64()),
        "asked": pa.array([each.user for each in lists], pa.string()),
        "cutoff_us": pa.array([each.cutoff for each in lists], pa.int64()),
    }
    con.register("shown_lists", pa.table(asked))
    found = con.execute(
        "WITH present AS (SELECT place, cutoff_us, coalesce(m.current_user_id, l.asked) AS user_id "
        "FROM shown_lists AS l LEFT JOIN merged_users AS m ON m.user_id = l.asked) "
        f"SELECT DISTINCT place, {key_of(definition)} AS key FROM present "
        f"JOIN user_events AS e USING (user_id) {joined_items(definition, target.where)} "
        f"WHERE e.superseded_at IS NULL AND e.name = {quoted(target.event)} "
        f"AND {condition(target.where)} AND key IS NOT NULL "
        "AND epoch_us(e.timestamp) >= cutoff_us "
        f"AND epoch_us(e.timestamp) < cutoff_us + {definition.horizon_us}"
    ).fetchall()
    con.unregister("shown_lists")
    happened: list[set[str]] = [set() for _ in lists]
    for place, key in found:
        happened[place].add(key)
    return [frozenset(items) for items in happened]
