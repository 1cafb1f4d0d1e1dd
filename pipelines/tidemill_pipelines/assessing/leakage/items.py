"""Attributes of items are kept as they are now: do they know what was sold since?

An attribute that follows sales (a rank, what is in stock, a reduced price) tells at an old cutoff
what came after it. So items are looked at as users are elsewhere: does what happened to them behind
a cutoff explain their attributes beyond what had happened before?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from tidemill_features.instants import in_microseconds
from tidemill_features.sql import field_of, known_at
from tidemill_pipelines.assessing.findings import Finding, cannot_say, ok, warning
from tidemill_pipelines.assessing.leakage.around import look_around
from tidemill_pipelines.assessing.leakage.reach import Reach, reaching
from tidemill_pipelines.assessing.leakage.saying import spelled
from tidemill_pipelines.assessing.leakage.table import TrainingTable, with_column
from tidemill_pipelines.assessing.material import Material

_CHECK = "leakage-items"
_MOST = 4_000
"""Items, drawn at random: more cost seconds and find no more."""
_WHY = (
    "Attributes of items are kept as they are now, also for cutoffs long ago: one that follows "
    "sales tells what was sold."
)


def judge_items(material: Material) -> Finding:
    """Attributes that features read, of items known at the newest training cutoff."""
    signals = material.catalog.signals
    keys = sorted({key for s in signals for key in s.where if key.startswith("item.")})
    if not keys:
        return ok(_CHECK, "No feature reads attributes of items.", _WHY)
    listed = ", ".join(key.removeprefix("item.") for key in keys)
    found, items = _reaching(material, keys)
    facts = {"keys": keys, "items": items}
    seen = f"Features read the attributes {listed} of items"
    if found is None:
        do = "make sure that none of them changes with sales, stock or time"
        seen += f"; {items:,} items are too few to see whether these follow what is sold."
        return cannot_say(_CHECK, seen, _WHY, do, **facts)
    if not found:
        seen += f"; among {items:,} items none goes with what happened to them afterwards."
        return ok(_CHECK, seen, _WHY, **facts)
    do = (
        "keep attributes that follow sales out of `tidemill items import`, or send them as "
        "properties of the events, as they were at the time"
    )
    seen += f", and some know what came later: {'; '.join(map(spelled, found))}."
    return warning(_CHECK, seen, _WHY, do, columns=[r.column for r in found], **facts)


def _reaching(material: Material, keys: Sequence[str]) -> tuple[list[Reach] | None, int]:
    """At the newest training cutoff, behind which two horizons have closed."""
    con, target, cutoff = material.con, material.objective.target, max(material.windows.train)
    rows = _table(con, keys, cutoff)
    with _items_for_users(con, rows.users.tolist()):
        around = look_around(con, target, material.at, rows)
    ends = np.full(len(rows.users), cutoff + 2 * target.within <= material.at)
    return reaching(rows, around, ends), len(rows.users)


def _table(con: duckdb.DuckDBPyConnection, keys: Sequence[str], cutoff: datetime) -> TrainingTable:
    """One row for each item that something was known of, with its attributes as columns."""
    fields = ", ".join(f"{field_of(key)} AS a{n}" for n, key in enumerate(keys))
    found = con.execute(
        f"SELECT i.item_id, {fields} FROM items AS i SEMI JOIN (SELECT item_id FROM user_events "
        f"WHERE {known_at('$cutoff')}) AS known USING (item_id) "
        "ORDER BY hash(i.item_id), i.item_id LIMIT $most",
        {"cutoff": cutoff, "most": _MOST},
    ).to_arrow_table()
    count = found.num_rows
    none = np.zeros(count, dtype=np.bool_)
    table = TrainingTable(
        users=np.asarray(found.column(0).to_pylist(), dtype=np.str_),
        cutoffs=np.full(count, in_microseconds(cutoff), dtype=np.int64),
        labels=none,
        labelled=~none,
        columns={},
        origins={},
        stamps={},
        tested=None,
    )
    for position, key in enumerate(keys, start=1):
        table = with_column(table, key.removeprefix("item."), found.column(position))
    return table


@contextmanager
def _items_for_users(con: duckdb.DuckDBPyConnection, items: list[str]) -> Iterator[None]:
    """`user_events` are those of items, each under the item's id."""
    con.register("wanted_items", pa.table({"item_id": pa.array(items, pa.string())}))
    con.execute(
        "CREATE TEMP TABLE events_of_items AS SELECT * REPLACE (item_id AS user_id) "
        "FROM user_events SEMI JOIN wanted_items USING (item_id) WHERE superseded_at IS NULL"
    )
    con.execute("CREATE TEMP TABLE merged_users AS FROM merged_users WHERE FALSE")
    con.execute("CREATE TEMP VIEW user_events AS FROM events_of_items")
    try:
        yield
    finally:
        con.execute("DROP VIEW temp.user_events")
        con.execute("DROP TABLE temp.merged_users")
        con.execute("DROP TABLE temp.events_of_items")
        con.unregister("wanted_items")
