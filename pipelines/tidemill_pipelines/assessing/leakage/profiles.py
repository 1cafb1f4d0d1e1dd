"""Properties that say what a user is rather than what happened: were they known at the time?

An export that joins today's customer table to old events gives each of them the state of today.
Such a property looks constant for each user, and knows of the time after its events.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from tidemill_features.instants import in_microseconds
from tidemill_features.user_attributes import newest_values
from tidemill_pipelines.assessing.findings import Finding, cannot_say, ok, warning
from tidemill_pipelines.assessing.leakage.around import look_around
from tidemill_pipelines.assessing.leakage.reach import Reach, reaching
from tidemill_pipelines.assessing.leakage.saying import spelled
from tidemill_pipelines.assessing.leakage.table import TrainingTable, with_column
from tidemill_pipelines.assessing.material import Material

_USERS = 300
_MOST = 8
"""Properties, by users who have them."""
_CHECK = "leakage-profiles"
_WHY = (
    "A property with today's state on yesterday's events tells what came later, and nothing in the "
    "log's times shows it."
)
_KEYS = """
WITH few AS (SELECT DISTINCT user_id FROM user_events ORDER BY hash(user_id) LIMIT $users),
said AS (
    SELECT user_id, properties, unnest(json_keys(properties)) AS key
    FROM user_events SEMI JOIN few USING (user_id) WHERE properties <> '{}'
),
of_users AS (
    SELECT key, user_id, count(*) AS events, count(DISTINCT found) AS different, min(found) AS first
    FROM (SELECT *, json_extract_string(properties, '$."' || replace(key, '"', '') || '"') AS found
        FROM said) WHERE found IS NOT NULL GROUP BY key, user_id
)
SELECT key FROM of_users WHERE events >= 3 GROUP BY key
HAVING avg((different = 1)::INT) >= 0.9 AND count(*) >= 30 AND count(DISTINCT first) > 1
ORDER BY count(*) DESC, key LIMIT $most
"""


def judge_profiles(material: Material) -> Finding:
    """Properties that hardly change for a user, as they were said before each cutoff."""
    keys = profile_keys(material.con)
    if not keys:
        return ok(_CHECK, "No property of the events stays the same for a user.", _WHY)
    found = _reaching(material, keys)
    listed = ", ".join(keys)
    if found is None:
        return cannot_say(_CHECK, f"Users are described by {listed}, and are too few.", _WHY)
    if not found:
        return ok(
            _CHECK, f"Users are described by {listed}, as known at the time.", _WHY, keys=keys
        )
    seen = f"Users are described by what came later: {'; '.join(map(spelled, found))}."
    do = (
        "send these properties as they were when the event happened, or leave them out of the "
        "import; what describes users belongs into events of its own, sent when it changes"
    )
    return warning(_CHECK, seen, _WHY, do, keys=sorted({reach.column for reach in found}))


def profile_keys(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Keys of properties that stay the same for nine users in ten, by users who have them."""
    found = con.execute(_KEYS, {"users": _USERS, "most": _MOST}).fetchall()
    return [key for (key,) in found]


def _reaching(material: Material, keys: Sequence[str]) -> list[Reach] | None:
    rows = _table(material, keys)
    horizon = int(material.objective.target.within.total_seconds() * 1_000_000)
    ends = rows.cutoffs + 2 * horizon <= in_microseconds(material.at)
    around = look_around(material.con, material.objective.target, material.at, rows)
    return reaching(rows, around, ends)


def _table(material: Material, keys: Sequence[str]) -> TrainingTable:
    train, test = material.train, material.test
    users = np.concatenate([train.users, test.users])
    cutoffs = np.concatenate([train.cutoffs, test.cutoffs])
    table = TrainingTable(
        users=users,
        cutoffs=cutoffs,
        labels=np.concatenate([train.labels, test.labels]),
        labelled=np.ones(len(users), dtype=np.bool_),
        columns={},
        origins={},
        stamps={},
        tested=None,
    )
    for key in keys:
        values = np.full(len(users), None, dtype=object)
        for cutoff in np.unique(cutoffs):
            here = cutoffs == cutoff
            said = newest_values(material.con, f"property.{key}", int(cutoff), users[here].tolist())
            values[here] = said
        table = with_column(table, key, pa.chunked_array([pa.array(values, pa.string())]))
    return table
