"""Histories: what each user was interested in, as known at a cutoff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta

import duckdb

from tidemill.recommendation.history import History
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.instants import EPOCH, in_microseconds
from tidemill_features.interest_log import Block, InterestLog, within
from tidemill_features.interest_sql import contexts, exclusions
from tidemill_features.slices import slice_of_pairs

_PAIRS_PER_PASS = 250
"""Bounds memory: a pass holds the events of so many users, and reads the log once."""
_Excluded = dict[str, int | None]


def compute_histories(
    con: duckdb.DuckDBPyConnection,
    definition: InterestDefinition,
    cutoff: datetime,
    users: Sequence[str] | None = None,
) -> Iterator[tuple[str, int, History]]:
    """Everybody with any event known at the cutoff (of `users`, if given), sorted by user.

    Yields the user, the cutoff in microseconds since 1970 UTC, and the history, which is empty for
    those without known interest. `con` has the views `user_events` and `items`.
    """
    cutoff_us = in_microseconds(cutoff)
    with closing(InterestLog(con, definition, [cutoff_us], users)) as log:
        known = _Surroundings(log, cutoff_us)
        key_ids = log.key_ids()
        for block in log.blocks(cutoff_us):
            yield from known.histories(block, key_ids)


def rebuild_histories(
    con: duckdb.DuckDBPyConnection,
    definition: InterestDefinition,
    users: Sequence[str],
    cutoffs: Sequence[int],
) -> list[History | None]:
    """The history of user i as of cutoff i (microseconds since 1970), None for nobody known.

    Bit for bit what `compute_histories` gives, at far less than one pass over the log for each.
    """
    found: list[History | None] = [None] * len(users)
    for start in range(0, len(users), _PAIRS_PER_PASS):
        part = slice(start, start + _PAIRS_PER_PASS)
        common = max(cutoffs[part])
        shifts = [common - cutoff for cutoff in cutoffs[part]]
        with slice_of_pairs(con, users[part], shifts) as moved:
            at = EPOCH + timedelta(microseconds=common)
            for pair, _, history in compute_histories(moved, definition, at):
                found[start + int(pair)] = _moved_back(history, shifts[int(pair)])
    return found


class _Surroundings:
    """What a history holds beside interest: where users are, and what they are not offered."""

    def __init__(self, log: InterestLog, cutoff_us: int) -> None:
        self._log = log
        self._cutoff_us = cutoff_us
        self._tables: dict[str, str] = {}
        definition = log.definition
        if definition.context is not None:
            self._keep("contexts", contexts(definition.context, cutoff_us, log.wanted))
        if definition.exclude:
            self._keep("exclusions", exclusions(definition, cutoff_us, log.wanted))

    def histories(self, block: Block, key_ids: Sequence[str]) -> Iterator[tuple[str, int, History]]:
        """Those of a block, in its order."""
        where, excluded = self._contexts(block.users), self._exclusions(block.users)
        user_ids = self._log.user_ids(block.users)
        for index, (user, user_id) in enumerate(zip(block.users, user_ids, strict=True)):
            own = slice(block.offsets[index], block.offsets[index + 1])
            history = History(
                items=tuple(key_ids[key] for key in block.keys[own].tolist()),
                facts=block.facts[own],
                activity=block.activity[index],
                context=where.get(user),
                is_cut=bool(block.is_cut[index]),
                excluded=excluded.get(user, {}),
            )
            yield user_id, self._cutoff_us, history

    def _keep(self, name: str, query: str) -> None:
        table = self._tables[name] = self._log.table(name)
        self._log.create(
            table,
            f"SELECT u.user, found.* EXCLUDE (user_id) "
            f"FROM ({query}) AS found JOIN {self._log.users} AS u USING (user_id) ORDER BY u.user",
        )

    def _contexts(self, users: range) -> Mapping[int, str]:
        if "contexts" not in self._tables:
            return {}
        query = f"SELECT user, context FROM {self._tables['contexts']} WHERE {within(users)}"
        return dict(self._log.con.execute(query).fetchall())

    def _exclusions(self, users: range) -> Mapping[int, _Excluded]:
        found: dict[int, _Excluded] = {}
        if "exclusions" in self._tables:
            rows = self._log.con.execute(
                f"SELECT user, key, until_us FROM {self._tables['exclusions']} "
                f"WHERE {within(users)} ORDER BY user, key"
            ).fetchall()
            for user, key, until_us in rows:
                found.setdefault(user, {})[key] = until_us
        return found


def _moved_back(history: History, shift: int) -> History:
    """As before its events were moved in time."""
    excluded = {
        key: None if until is None else until - shift for key, until in history.excluded.items()
    }
    return History(
        history.items, history.facts, history.activity, history.context, history.is_cut, excluded
    )
