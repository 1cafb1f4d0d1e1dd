"""What is known of one id: whom it belongs to, who joined it, why, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from tidemill.events.delta import explained, literal_glob
from tidemill.events.identity.cache import resolved, settings_of
from tidemill.events.identity.decisions import Decision, read_decisions
from tidemill.events.identity.links import LINKED, judge_claims
from tidemill.events.log import EventLog


@dataclass(frozen=True)
class Belonging:
    """What happened under `id` belongs to `user_id` from `since` until `until`."""

    id: str
    user_id: str
    since: datetime
    until: datetime | None
    """None: to this day."""
    shared_at: datetime | None
    """What is received from then on does not belong there; None: all of it does."""


@dataclass(frozen=True)
class Claim:
    """The first event that says that `id` is `user_id`, and what became of that."""

    id: str
    user_id: str
    verdict: str
    received_at: datetime
    event_id: str
    event: str
    """Name of the event."""


@dataclass(frozen=True)
class Portrait:
    """Everything about one id, be it a user's or an anonymous one."""

    id: str
    events: int
    """Events that count for it as a user, to this day."""
    belongs_to: list[Belonging]
    joined: list[Belonging]
    """Other ids that became, or once were, this user."""
    links: list[Claim]
    """What made them so."""
    refused: list[Claim]
    decisions: list[Decision]
    """Of people, about any of these ids."""

    @property
    def is_known(self) -> bool:
        """Whether any event has to do with the id."""
        return bool(self.events or self.belongs_to or self.joined or self.links or self.refused)


# An alias speaks of an anonymous id even when no event came under it.
_OCCURS = "(NOT anonymous OR id IN (SELECT anonymous_id FROM events))"
_COUNT = "SELECT count(*) FROM user_events WHERE user_id = $id AND superseded_at IS NULL"
_BELONGINGS = f"""
SELECT DISTINCT id, user_id, since, until, received_until FROM owners
WHERE {{which}} AND id <> user_id AND {_OCCURS} ORDER BY since, id, user_id
"""
_CONCERNED = """
CREATE TEMP TABLE concerned AS
SELECT $id::VARCHAR AS id
UNION SELECT id FROM owners WHERE user_id = $id
UNION SELECT user_id FROM owners WHERE id = $id
"""
# An alias was judged twice, about an anonymous id and about a user's; it is told once.
_CLAIMS = f"""
SELECT j.id, j.user_id, j.verdict, j.first.received_at, e.event_id, e.name
FROM judged AS j JOIN events AS e ON e.event_id = j.first.event_id
WHERE (id IN (FROM concerned) OR j.user_id IN (FROM concerned)) AND {_OCCURS}
QUALIFY row_number() OVER (PARTITION BY j.id, j.user_id ORDER BY j.verdict <> '{LINKED}') = 1
ORDER BY j.first, j.id
"""


def portray(log: EventLog, known: str) -> Portrait:
    """What the log knows of the id `known`. Raises EventLogError when the log cannot be read."""
    with explained(log.root), log.connect() as con:
        _judge(con, log)
        con.execute(_CONCERNED, {"id": known})
        concerned = {row[0] for row in con.execute("FROM concerned").fetchall()}
        claims = [Claim(*row) for row in con.execute(_CLAIMS).fetchall()]
        return Portrait(
            id=known,
            events=con.execute(_COUNT, {"id": known}).fetchall()[0][0],
            belongs_to=_belongings(con, "id = $id", known),
            joined=_belongings(con, "user_id = $id", known),
            links=[claim for claim in claims if claim.verdict == LINKED],
            refused=[claim for claim in claims if claim.verdict != LINKED],
            decisions=[d for d in read_decisions(log.root) if d.id in concerned],
        )


def _judge(con: duckdb.DuckDBPyConnection, log: EventLog) -> None:
    """The whole truth, also where `user_events` needs none of it because nobody is anonymous."""
    with resolved(log.root, log.version()) as (claims, owners):
        con.read_parquet(literal_glob(owners)).create("owners")
        con.read_parquet(literal_glob(claims)).create_view("claims")
        judge_claims(con, settings_of(log.root).caps)


def _belongings(con: duckdb.DuckDBPyConnection, which: str, known: str) -> list[Belonging]:
    rows = con.execute(_BELONGINGS.format(which=which), {"id": known}).fetchall()
    return [Belonging(*row) for row in rows]
