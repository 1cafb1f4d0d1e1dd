"""Showings of items from the event log, and which of them were answered.

A click answers the newest showing of the same item to the same user before it, within the
objective's time: the same rule by which position weights are applied to interest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tidemill.objective import Objective
from tidemill.recommendation.interests import InterestDefinition, PositionWeights, interests_of
from tidemill_features.instants import in_microseconds
from tidemill_features.interest_sql import exposures, shown_interest
from tidemill_features.sql import field_of
from tidemill_pipelines.position_bias.counts import LARGEST_POSITION, Counts

if TYPE_CHECKING:
    import duckdb

MOST_SHOWINGS = 5_000_000
"""Of a longer log, the showings to a random share of the users are read."""
_KNOWN = "known_us < $until AND until_us >= $until"


@dataclass(frozen=True)
class Showings:
    """Tables of a connection: `position_showings` and `position_clicks`."""

    con: duckdb.DuckDBPyConnection
    total: int
    """Showings at a position from 1 on."""
    at_zero: int
    """Events of showing whose position is 0."""
    clicked: int

    def by_user_and_item(self) -> Counts:
        """Strata of showings of one item to one user."""
        return self._counts("user_id, item_id", "TRUE")

    def by_item_among_strangers(self) -> Counts:
        """Strata of showings of one item, to users who had shown no interest in anything yet."""
        return self._counts("item_id", "is_stranger")

    def clicks_by_position(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Clicks at positions 1, 2, ..., LARGEST_POSITION."""
        found = self.con.execute(
            "SELECT position, count(*) AS clicks FROM position_showings WHERE clicked GROUP BY 1"
        ).fetchnumpy()
        clicks = np.zeros(LARGEST_POSITION, np.int64)
        clicks[np.asarray(found["position"]) - 1] = found["clicks"]
        return clicks

    def _counts(self, strata: str, condition: str) -> Counts:
        found = self.con.execute(
            "SELECT dense_rank() OVER (ORDER BY stratum) - 1 AS stratum, position, shown, clicks "
            "FROM (SELECT *, count(*) OVER own AS places, sum(clicks) OVER own AS answers "
            f"FROM (SELECT ({strata}) AS stratum, position, count(*) AS shown, "
            "count(*) FILTER (clicked) AS clicks "
            f"FROM position_showings WHERE {condition} GROUP BY ALL) "
            "WINDOW own AS (PARTITION BY stratum)) "
            "WHERE places > 1 AND answers > 0"
        ).fetchnumpy()
        columns = (found[name] for name in ("stratum", "position", "shown", "clicks"))
        return Counts(*(np.asarray(column, dtype=np.int64) for column in columns))


def without_weights(objective: Objective) -> tuple[InterestDefinition, PositionWeights]:
    """The objective's interests and its exposures, every position weighing 1.

    Raises ValueError for an objective that declares no exposures.
    """
    choice = objective.choice
    if choice is None or choice.exposures is None:
        raise ValueError(f"'{objective.name}' declares no exposures")
    shown = choice.exposures
    positions = PositionWeights(
        event=shown.event,
        position=shown.position,
        clicked=shown.clicked,
        within_us=shown.within // timedelta(microseconds=1),
        weights=(1.0,),
    )
    return interests_of(objective, positions), positions


def answering(objective: Objective) -> tuple[InterestDefinition, PositionWeights]:
    """As `without_weights`; where no exposures are declared, the predicted event is the answer.

    Raises ValueError for an objective that has no items to choose.
    """
    choice = objective.choice
    if choice is None or choice.exposures is not None:
        return without_weights(objective)
    positions = PositionWeights(
        event="",
        position="",
        clicked=choice.event,
        within_us=choice.within // timedelta(microseconds=1),
        weights=(1.0,),
    )
    return interests_of(objective, positions), positions


def read_showings(
    con: duckdb.DuckDBPyConnection,
    definition: InterestDefinition,
    positions: PositionWeights,
    until: datetime,
) -> Showings:
    """Everything known at `until`; what to read is as `without_weights` gives it."""
    until_us = in_microseconds(until)
    users = _chosen_users(con, positions, until)
    relation = f"({exposures(positions, until_us, users)}) AS shown WHERE {_KNOWN}"
    create_clicks(con, definition, until)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE position_showings AS "
        "WITH shown AS (SELECT user_id, item_id, at_us, min(position) AS position "
        f"FROM {relation} GROUP BY user_id, item_id, at_us), "
        "answered AS (SELECT DISTINCT s.user_id, s.item_id, s.at_us "
        "FROM position_clicks AS c ASOF JOIN shown AS s ON s.user_id = c.user_id "
        "AND s.item_id = c.item_id AND s.at_us <= c.at_us WHERE c.at_us <= s.at_us + $within), "
        "first AS (SELECT user_id, min(at_us) AS first_us FROM position_interest GROUP BY user_id) "
        "SELECT s.user_id, s.item_id, least(s.position, $largest) AS position, "
        "a.at_us IS NOT NULL AS clicked, coalesce(f.first_us >= s.at_us, TRUE) AS is_stranger "
        "FROM shown AS s LEFT JOIN answered AS a USING (user_id, item_id, at_us) "
        "LEFT JOIN first AS f USING (user_id)",
        {"until": until_us, "within": positions.within_us, "largest": LARGEST_POSITION},
    )
    total, clicked = con.execute(
        "SELECT count(*), count(*) FILTER (clicked) FROM position_showings"
    ).fetchall()[0]
    return Showings(con, total, _at_zero(con, positions, until), clicked)


def create_clicks(
    con: duckdb.DuckDBPyConnection, definition: InterestDefinition, until: datetime
) -> None:
    """`position_interest(user_id, item_id, key, at_us, is_answer)`, and `position_clicks`, the part
    of it that answers being shown."""
    until_us = in_microseconds(until)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE position_interest AS "
        "SELECT user_id, item_id, key, at_us, is_answer "
        f"FROM ({shown_interest(definition, until_us, None)}) AS e WHERE {_KNOWN}",
        {"until": until_us},
    )
    con.execute(
        "CREATE OR REPLACE TEMP VIEW position_clicks AS FROM position_interest WHERE is_answer"
    )


def _chosen_users(
    con: duckdb.DuckDBPyConnection, positions: PositionWeights, until: datetime
) -> str | None:
    """A table of a share of the users, by hash; None where all can be read."""
    found = con.execute(
        "SELECT count(*) FROM user_events WHERE name = $event AND timestamp < $until",
        {"event": positions.event, "until": until},
    ).fetchall()[0][0]
    share = -(-found // MOST_SHOWINGS)
    if share <= 1:
        return None
    con.execute(
        "CREATE OR REPLACE TEMP TABLE position_users AS SELECT DISTINCT user_id FROM user_events "
        f"WHERE hash(user_id) % {share} = 0"
    )
    return "position_users"


def _at_zero(con: duckdb.DuckDBPyConnection, positions: PositionWeights, until: datetime) -> int:
    return int(
        con.execute(
            "SELECT count(*) FROM user_events AS e WHERE name = $event AND timestamp < $until "
            f"AND TRY_CAST({field_of(positions.position)} AS BIGINT) = 0",
            {"event": positions.event, "until": until},
        ).fetchall()[0][0]
    )
