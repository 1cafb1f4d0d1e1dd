"""The windows of a recommendation set, written block by block and read as they are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.objective import Objective
from tidemill.recommendation.histories import Exclusions, Histories, Outcomes, Window
from tidemill.recommendation.interests import ACTIVITY, FACTS
from tidemill_features.array_files import GrowingArray, mapped
from tidemill_features.instants import in_microseconds
from tidemill_features.interest_log import Block, InterestLog
from tidemill_features.interest_sql import contexts, exclusions, key_of
from tidemill_features.set_items import target_events

_OFFSETS = "offsets"


class WindowWriter:
    """Writes one window of a log: histories as of a cutoff, and what came of them."""

    def __init__(
        self, log: InterestLog, objective: Objective, cutoff: datetime, folder: Path
    ) -> None:
        """`log` has a table `items(key_id, item)` of the candidates, `contexts(context, code)`."""
        self._log, self._objective, self._folder = log, objective, folder
        self._cutoff, self._at = cutoff, in_microseconds(cutoff)
        self._asked, self._excluded = log.table("asked"), log.table("excluded")
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, item_of: NDArray[np.int32]) -> None:
        """`item_of` has the candidate of each key, -1 for none."""
        users = self._write_histories(item_of)
        self._ask(users)
        self._write_contexts(len(users))
        self._write_exclusions(len(users))
        self._write_outcomes(len(users))

    def _write_histories(self, item_of: NDArray[np.int32]) -> NDArray[np.int32]:
        """Histories of everybody with interest; returns the numbers of their users in the log."""
        numbers = [np.empty(0, np.int32)]
        (longest,) = self._log.con.execute(
            f"SELECT coalesce(max(length(user_id)), 1) FROM {self._log.users}"
        ).fetchall()[0]
        with ExitStack() as files:
            users = files.enter_context(self._array("users", f"<U{max(1, longest)}"))
            items = files.enter_context(self._array("items", np.int32))
            facts = files.enter_context(self._array("facts", np.float32, len(FACTS)))
            activity = files.enter_context(self._array("activity", np.float32, len(ACTIVITY)))
            offsets = files.enter_context(_Offsets(self._folder / f"{_OFFSETS}.npy"))
            for block in self._log.blocks(self._at):
                own = block.is_interested
                ids = np.array(self._log.user_ids(block.users), dtype=users.dtype)
                numbers.append(np.flatnonzero(own).astype(np.int32) + block.users.start)
                users.append(ids[own])
                activity.append(block.activity[own])
                chosen = item_of[block.keys]
                items.append(chosen[chosen >= 0])
                facts.append(block.facts[chosen >= 0])
                offsets.append(_counts(block, chosen >= 0)[own])
        return np.concatenate(numbers)

    def _ask(self, users: NDArray[np.int32]) -> None:
        """Remember whom the histories are of, by position."""
        positions = pa.table({"position": np.arange(len(users)), "user": users})
        self._log.con.register("asked_users", positions)
        self._log.create(
            self._asked,
            f"SELECT a.position, u.user_id FROM asked_users AS a JOIN {self._log.users} AS u "
            "USING (user)",
        )
        self._log.con.unregister("asked_users")

    def _write_contexts(self, users: int) -> None:
        codes = np.full(users, -1, dtype=np.int32)
        field = self._log.definition.context
        if field is not None:
            query = (
                f"SELECT a.position, c.code FROM ({contexts(field, self._at, None)}) AS said "
                f"JOIN {self._asked} AS a USING (user_id) "
                f"JOIN {self._log.table('contexts')} AS c USING (context)"
            )
            for position, code in self._parts(query):
                codes[position] = code
        np.save(self._folder / "contexts.npy", codes)

    def _write_exclusions(self, users: int) -> None:
        query = f"SELECT 0 AS position, 0 AS item FROM {self._asked} WHERE FALSE"
        if self._log.definition.exclude:
            excluded = exclusions(self._log.definition, self._at, None)
            query = (
                f"SELECT a.position, i.item FROM ({excluded}) AS x "
                f"JOIN {self._asked} AS a USING (user_id) "
                f"JOIN {self._log.table('items')} AS i ON i.key_id = x.key"
            )
        self._log.create(self._excluded, query)
        self._write_lists(
            "excluded", users, f"SELECT position, item FROM {self._excluded} ORDER BY 1, 2"
        )

    def _write_outcomes(self, users: int) -> None:
        """What the person behind a user did, under whatever id."""
        target = self._objective.target
        end = in_microseconds(self._cutoff + target.within)
        events = target_events(self._log.definition, self._objective)
        self._write_lists(
            "outcome",
            users,
            f"""
WITH present AS (
  SELECT a.position, coalesce(m.current_user_id, a.user_id) AS user_id
  FROM {self._asked} AS a LEFT JOIN merged_users AS m USING (user_id)
),
happened AS (
  SELECT e.user_id, {key_of(self._log.definition)} AS key_id,
    TRY_CAST(e.value AS DECIMAL(18, 4)) AS value
  FROM {events} AND e.superseded_at IS NULL
    AND e.timestamp >= make_timestamptz({self._at}) AND e.timestamp < make_timestamptz({end})
)
SELECT p.position, i.item, CAST(coalesce(CAST(sum(h.value) AS DOUBLE), 'nan') AS FLOAT) AS value
FROM happened AS h JOIN present AS p USING (user_id)
JOIN {self._log.table("items")} AS i USING (key_id)
ANTI JOIN {self._excluded} AS x ON x.position = p.position AND x.item = i.item
GROUP BY p.position, i.item ORDER BY p.position, i.item
""",
        )

    def _write_lists(self, name: str, users: int, query: str) -> None:
        """Items of each user, and their value if the query has a third column."""
        counts = np.zeros(users, dtype=np.int64)
        with (
            self._array(f"{name}_items", np.int32) as items,
            self._array(f"{name}_values", np.float32) as values,
        ):
            for position, item, *value in self._parts(query):
                counts += np.bincount(position, minlength=users)
                items.append(item)
                for each in value:
                    values.append(each)
        with _Offsets(self._folder / f"{name}_{_OFFSETS}.npy") as offsets:
            offsets.append(counts)

    def _array(self, name: str, dtype: type | str, *row: int) -> GrowingArray:
        return GrowingArray(self._folder / f"{name}.npy", dtype, *row)

    def _parts(self, query: str) -> Iterator[list[NDArray[Any]]]:
        """The columns of a query's rows, so many at a time as fit into memory."""
        for batch in self._log.con.execute(query).to_arrow_reader(1_000_000):
            yield [column.to_numpy(zero_copy_only=False) for column in batch.columns]


class _Offsets(GrowingArray):
    """Where lists end, given their lengths."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, np.int64)
        self._end = 0
        super().append(np.zeros(1, np.int64))

    def append(self, rows: NDArray[Any]) -> None:
        ends = self._end + np.cumsum(rows, dtype=np.int64)
        super().append(ends)
        self._end = int(ends[-1]) if len(ends) else self._end


def load_window(folder: Path, cutoff: datetime) -> Window:
    """What a WindowWriter wrote."""

    def array(name: str) -> NDArray[Any]:
        return mapped(folder / f"{name}.npy")

    histories = Histories(
        cutoff=cutoff,
        users=array("users"),
        offsets=array(_OFFSETS),
        items=array("items"),
        facts=array("facts"),
        activity=array("activity"),
        contexts=array("contexts"),
        excluded=Exclusions(array(f"excluded_{_OFFSETS}"), array("excluded_items")),
    )
    outcomes = Outcomes(
        array(f"outcome_{_OFFSETS}"), array("outcome_items"), array("outcome_values")
    )
    return Window(histories, outcomes)


def _counts(block: Block, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each user's pairs were chosen, shape [users]."""
    before = np.concatenate([[0], np.cumsum(chosen)])
    counts: NDArray[np.int64] = np.diff(before[block.offsets])
    return counts
