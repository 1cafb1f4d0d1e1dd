"""A log's events of interest, sorted by user, from which histories are read block by block.

Users and keys become numbers first, in the order of their UTF-8. The tables are temporary ones of
the connection: with a memory limit and a folder to spill into (bounded_log), any log fits.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.recommendation.interests import ACTIVITY, FACTS, LONGEST_HISTORY, InterestDefinition
from tidemill_features.interest_sql import (
    activity,
    exposures,
    interest_days,
    known_users,
    longest_histories,
    shown_interest,
)

_ROWS_PER_BLOCK = 1_000_000
"""Bounds memory: a block holds the events of some users, or of a single one."""


@dataclass(frozen=True)
class Block:
    """Histories of consecutive users as of one cutoff."""

    users: range
    """Their numbers."""
    offsets: NDArray[np.int64]
    """[users + 1], into the arrays of pairs."""
    keys: NDArray[np.int32]
    """[pairs], latest first for each user."""
    facts: NDArray[np.float32]
    """[pairs, FACTS]."""
    activity: NDArray[np.float32]
    """[users, ACTIVITY]."""
    is_interested: NDArray[np.bool_]
    """[users], whether any interest is known."""
    is_cut: NDArray[np.bool_]
    """[users]."""


class InterestLog:
    """Everybody known at one of `cutoffs_us`, or those of `users`, and what they did until then."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        definition: InterestDefinition,
        cutoffs_us: Sequence[int],
        users: Sequence[str] | None = None,
    ) -> None:
        self.con = con
        self._tables: set[str] = set()
        self.definition = definition
        self._prefix = f"interest_{secrets.token_hex(4)}"
        self.users, self.keys, self.events = map(self.table, ("users", "keys", "events"))
        self._shown, self._days = self.table("shown"), self.table("days")
        self.wanted = None if users is None else self.table("wanted")
        if users is not None:
            wanted = pa.table({"user_id": pa.array(list(users), pa.string())})
            con.register("wanted_users", wanted)
            self.create(str(self.wanted), "SELECT DISTINCT user_id FROM wanted_users")
            con.unregister("wanted_users")
        latest_us = max(cutoffs_us)
        self._number_users(cutoffs_us)
        self._number_keys(latest_us)
        self._collect(latest_us)

    def table(self, name: str) -> str:
        """What a temporary table of this log is called."""
        return f"{self._prefix}_{name}"

    def key_ids(self) -> list[str]:
        """By number."""
        return self.texts(f"SELECT key_id FROM {self.keys} ORDER BY key")

    def user_ids(self, users: range) -> list[str]:
        """Of the numbers `users`."""
        return self.texts(f"SELECT user_id FROM {self.users} WHERE {within(users)} ORDER BY user")

    def texts(self, query: str) -> list[str]:
        """The first column of a query's rows."""
        found: list[str] = self.con.execute(query).to_arrow_table().column(0).to_pylist()
        return found

    def blocks(self, cutoff_us: int) -> Iterator[Block]:
        """Everybody's histories as of one of the log's cutoffs."""
        for users in self.ranges():
            yield self._block(users, cutoff_us)

    def ranges(self) -> list[range]:
        """Users by number, in portions that fit into memory."""
        found = self.con.execute(
            f"SELECT user, count(*) AS events FROM {self.events} GROUP BY user"
        ).fetchnumpy()
        rows = np.ones(self._count, dtype=np.int64)
        rows[found["user"]] += found["events"]
        portion = (np.cumsum(rows) - 1) // _ROWS_PER_BLOCK
        bounds = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), self._count]
        return [range(start, stop) for start, stop in pairwise(bounds) if start < stop]

    def create(self, name: str, query: str) -> None:
        """Make a table, which `close` removes."""
        self._tables.add(name)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def close(self) -> None:
        """Remove the tables."""
        for name in self._tables:
            self.con.execute(f"DROP TABLE IF EXISTS {name}")

    def _number_users(self, cutoffs_us: Sequence[int]) -> None:
        everybody = known_users(cutoffs_us, self.wanted)
        self.create(
            self.users,
            "SELECT user_id, CAST(row_number() OVER (ORDER BY user_id) - 1 AS INTEGER) AS user "
            f"FROM ({everybody}) AS known ORDER BY user",
        )
        self._count = int(self.con.execute(f"SELECT count(*) FROM {self.users}").fetchall()[0][0])

    def _number_keys(self, latest_us: int) -> None:
        interest = shown_interest(self.definition, latest_us, self.wanted)
        self.create(
            self.keys,
            "SELECT key_id, CAST(row_number() OVER (ORDER BY key_id) - 1 AS INTEGER) AS key "
            f"FROM (SELECT DISTINCT key AS key_id FROM ({interest}) AS shown) AS keys ORDER BY key",
        )

    def _collect(self, latest_us: int) -> None:
        positions = self.definition.positions
        answers = "" if positions is None else ", item_id, is_answer"
        interest = shown_interest(self.definition, latest_us, self.wanted)
        self.create(
            self.events,
            f"SELECT u.user, k.key, at_us, known_us, until_us, weight{answers} "
            f"FROM ({interest}) AS shown JOIN {self.users} AS u USING (user_id) "
            f"JOIN {self.keys} AS k ON k.key_id = shown.key ORDER BY u.user",
        )
        if positions is not None:
            self.create(
                self._shown,
                "SELECT u.user, shown.* EXCLUDE (user_id) "
                f"FROM ({exposures(positions, latest_us, self.wanted)}) AS shown "
                f"JOIN {self.users} AS u USING (user_id) ORDER BY u.user",
            )

    def _block(self, users: range, cutoff_us: int) -> Block:
        days = interest_days(self.definition, self.events, self._shown, cutoff_us, within(users))
        self.create(self._days, days)
        pairs = _columns(self.con, longest_histories(self.definition, self._days, LONGEST_HISTORY))
        active = _columns(self.con, activity(self.definition, self._days))
        return _laid_out(users, pairs, active)


def within(users: range) -> str:
    """SQL that is true for rows of `users`."""
    return f"user >= {users.start} AND user < {users.stop}"


def _columns(con: duckdb.DuckDBPyConnection, query: str) -> list[NDArray[Any]]:
    found = con.execute(query).to_arrow_table()
    return [column.to_numpy() for column in found.columns]


def _laid_out(users: range, pairs: list[NDArray[Any]], active: list[NDArray[Any]]) -> Block:
    """`pairs` has columns user, key, FACTS and the user's items; `active` user and ACTIVITY."""
    of_pair, of_active = pairs[0] - users.start, active[0] - users.start
    counts = np.bincount(of_pair, minlength=len(users))
    is_interested = np.zeros(len(users), dtype=np.bool_)
    is_interested[of_active] = True
    is_cut = np.zeros(len(users), dtype=np.bool_)
    is_cut[of_pair[pairs[-1] > LONGEST_HISTORY]] = True
    own = np.zeros((len(users), len(ACTIVITY)), dtype=np.float32)
    own[of_active] = np.stack(active[1:], axis=1)
    return Block(
        users=users,
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        keys=pairs[1].astype(np.int32),
        facts=np.stack(pairs[2 : 2 + len(FACTS)], axis=1).astype(np.float32, copy=False),
        activity=own,
        is_interested=is_interested,
        is_cut=is_cut,
    )
