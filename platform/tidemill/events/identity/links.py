"""Which claims become links: judged in the order in which they became known."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from tidemill.events.identity.claims import is_junk
from tidemill.events.identity.cycles import choose_acyclic

LINKED = "linked"
JUNK = "junk id"
SHARED = "shared device"
TOO_MANY = "too many ids"
TAKEN = "joined to another already"
CYCLE = "cycle"


@dataclass(frozen=True)
class Caps:
    """How many ids may be one person before they are taken for something shared."""

    users_per_device: int
    devices_per_user: int


def judge_claims(con: duckdb.DuckDBPyConnection, caps: Caps) -> None:
    """Make the temp table `judged` of the relation `claims`: every claim and its verdict.

    Columns `anonymous, id, user_id, first, shared_at, verdict`. An alias is judged twice, as a
    claim about an anonymous id and as one about a user. `shared_at` is when the id had been seen
    with more users than the cap, null if it never was. At most one claim of an id is LINKED.
    """
    con.execute(_pairs(caps))
    con.execute(_JUDGED)
    con.execute("DROP TABLE pairs")
    _refuse_cycles(con)


def _pairs(caps: Caps) -> str:
    """A user is full, and an id shared, by those that were *seen*, taken or not.

    So a verdict depends on earlier claims alone, and all of them can be judged at once. Only users
    and ids beyond their cap are counted through.
    """
    junk = f"{is_junk('id')} OR {is_junk('user_id')}"
    return f"""
CREATE TEMP TABLE pairs AS
WITH seen AS (
    SELECT id, user_id, min(first) AS first, {junk} AS junk FROM claims GROUP BY id, user_id
),
full_users AS (
    SELECT user_id FROM seen WHERE NOT junk
    GROUP BY user_id HAVING count(*) > {caps.devices_per_user}
),
surplus AS (
    SELECT id, user_id, TRUE AS is_surplus FROM seen SEMI JOIN full_users USING (user_id)
    WHERE NOT junk
    QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY first, id) > {caps.devices_per_user}
),
both_kinds AS (
    SELECT TRUE AS anonymous, * FROM seen
    UNION ALL
    SELECT FALSE, id, user_id, first, {junk} FROM claims WHERE alias
),
shared_ids AS (
    SELECT anonymous, id FROM both_kinds WHERE NOT junk
    GROUP BY anonymous, id HAVING count(*) > {caps.users_per_device}
),
shared AS (
    SELECT anonymous, id, first.received_at AS shared_at
    FROM both_kinds SEMI JOIN shared_ids USING (anonymous, id) WHERE NOT junk
    QUALIFY row_number() OVER (PARTITION BY anonymous, id ORDER BY first)
        = {caps.users_per_device} + 1
)
SELECT anonymous, id, user_id, first, shared_at, CASE
    WHEN junk THEN '{JUNK}'
    WHEN first.received_at >= shared_at THEN '{SHARED}'
    WHEN is_surplus THEN '{TOO_MANY}'
    END AS refused
FROM both_kinds LEFT JOIN shared USING (anonymous, id) LEFT JOIN surplus USING (id, user_id)
"""


_JUDGED = f"""
CREATE TEMP TABLE judged AS
SELECT * EXCLUDE (refused), CASE
    WHEN refused IS NOT NULL THEN refused
    WHEN row_number() OVER (PARTITION BY anonymous, id, refused ORDER BY first) = 1 THEN '{LINKED}'
    ELSE '{TAKEN}'
    END AS verdict
FROM pairs
"""
# Only ids that some claim leads on from to another such id can be part of a cycle.
_TANGLED = f"""
WITH claimed AS (
    SELECT id, user_id, first FROM judged WHERE NOT anonymous AND verdict IN ('{LINKED}', '{TAKEN}')
),
leading_on AS (
    SELECT DISTINCT id FROM claimed WHERE user_id IN (SELECT id FROM claimed)
)
SELECT id, user_id FROM claimed SEMI JOIN leading_on USING (id) ORDER BY first
"""


def _refuse_cycles(con: duckdb.DuckDBPyConnection) -> None:
    tangled = con.execute(_TANGLED).to_arrow_table()
    if not tangled.num_rows:
        return
    pairs = zip(tangled["id"].to_pylist(), tangled["user_id"].to_pylist(), strict=True)
    names = {True: LINKED, False: TAKEN, None: CYCLE}
    verdicts = [names[chosen] for chosen in choose_acyclic(pairs)]
    con.register("rejudged", tangled.append_column("verdict", [verdicts]))
    con.execute(
        "UPDATE judged SET verdict = rejudged.verdict FROM rejudged WHERE NOT anonymous "
        "AND judged.id = rejudged.id AND judged.user_id = rejudged.user_id"
    )
    con.unregister("rejudged")
