"""Refuse before training: is there enough to choose items from, and to learn the choice from?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from tidemill.errors import NotReadyError
from tidemill.objective import Objective
from tidemill.recommendation.interests import InterestDefinition, interests_of
from tidemill_features.catalogues import catalogue_of, unreadable_bounds
from tidemill_features.instants import in_microseconds
from tidemill_features.interest_sql import key_of, shown_interest
from tidemill_features.set_items import target_events
from tidemill_pipelines.readiness import check_target_occurs, first_event, near_names
from tidemill_pipelines.recommending.declared import AnyChoice, choice_of
from tidemill_pipelines.recommending.named_fields import check_key, check_named_attributes
from tidemill_pipelines.recommending.windows import ChoiceWindows, plan_choice_windows

_FEWEST_ITEMS = 2
"""With one there is nothing to choose."""
_FEWEST_USERS = 10
"""Intervals are over users: those of a few are narrow by chance, however much each of them did."""
_MORE = "a longer `within`, a more frequent event or broader `items` give more"


@dataclass(frozen=True)
class OutcomeCount:
    """One window, counted."""

    cutoff: str
    users: int
    """With an outcome."""
    outcomes: int
    """Distinct pairs of user and item."""


@dataclass(frozen=True)
class ChoiceReadiness:
    """What the data can carry."""

    windows: ChoiceWindows
    items: int
    counts: tuple[OutcomeCount, OutcomeCount]
    """Of the earlier window and of the later one."""
    notes: tuple[str, ...]
    """What does not hinder training and is probably not meant."""


def check_choice_readiness(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> ChoiceReadiness:
    """Count items and outcomes. Raises NotReadyError with the number that falls short.

    `con` has the views `events`, `user_events` and `items`.
    """
    choice = choice_of(objective)
    first = first_event(con, at)
    check_target_occurs(con, objective, at)
    definition = interests_of(objective)
    check_key(con, definition, objective)
    check_named_attributes(con, choice, objective)
    windows = plan_choice_windows(first, at, choice.within)
    items = _candidates(con, objective, definition, windows.later)
    unreadable = unreadable_bounds(con, objective)
    _check_items(choice, objective, items, unreadable)
    counts = tuple(
        _count(con, objective, definition, cutoff, items)
        for cutoff in (windows.earlier, windows.later)
    )
    _check_counts(objective, counts)
    notes = _missing_events(con, choice) + unreadable
    return ChoiceReadiness(windows, len(items), (counts[0], counts[1]), notes)


def _candidates(
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    definition: InterestDefinition,
    at: datetime,
) -> list[str]:
    catalogue = catalogue_of(con, objective, at)
    chosen = np.flatnonzero(catalogue.end > in_microseconds(at)).tolist()
    items = [catalogue.items[position] for position in chosen]
    fewest = choice_of(objective).items.minimum_users
    if not fewest:
        return items
    known = _known_interest(definition, at)
    rows = con.execute(
        f"SELECT key FROM ({known}) AS known GROUP BY key "
        "HAVING count(DISTINCT user_id) >= $fewest",
        {"fewest": fewest},
    ).fetchall()
    frequent = {key for (key,) in rows}
    return [item for item in items if item in frequent]


def _check_items(
    choice: AnyChoice, objective: Objective, items: Sequence[str], unreadable: Sequence[str]
) -> None:
    narrowed = "".join(f", {key} = {value}" for key, value in choice.items.where.items())
    narrowed += f", minimum_users {choice.items.minimum_users}" * bool(choice.items.minimum_users)
    narrowed += ", available" * bool(choice.items.available.end)
    if len(items) < _FEWEST_ITEMS:
        raise NotReadyError(
            f"'{objective.name}' has {len(items)} items to choose from"
            f"{narrowed and f' ({narrowed[2:]})'}, and {_FEWEST_ITEMS} are needed",
            hint="; ".join(unreadable)
            or "check `items`: `where`, `by`, `minimum_users`, `available`; and that the items "
            "are imported (`tidemill items import`)",
        )
    if choice.count > len(items):
        raise NotReadyError(
            f"`count` asks for lists of {choice.count} items, and there are {len(items)} to choose "
            "from",
            hint=f"set `{objective.type}.count` to at most {len(items)}",
        )


def _count(
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    definition: InterestDefinition,
    cutoff: datetime,
    items: Sequence[str],
) -> OutcomeCount:
    """Outcomes of users with known interest, with candidates only."""
    con.register("candidates", pa.table({"item": pa.array(items, pa.string())}))
    users, outcomes = con.execute(
        "SELECT count(DISTINCT user_id), count(*) FROM ("
        f"SELECT DISTINCT e.user_id, {key_of(definition)} AS key "
        f"FROM {target_events(definition, objective)} AND e.superseded_at IS NULL "
        "AND e.timestamp >= $start AND e.timestamp < $end) AS happened "
        "SEMI JOIN candidates ON candidates.item = happened.key "
        f"SEMI JOIN ({_known_interest(definition, cutoff)}) AS known USING (user_id)",
        {"start": cutoff, "end": cutoff + objective.target.within},
    ).fetchall()[0]
    con.unregister("candidates")
    return OutcomeCount(cutoff.isoformat(), users, outcomes)


def _known_interest(definition: InterestDefinition, at: datetime) -> str:
    at_us = in_microseconds(at)
    shown = shown_interest(definition, at_us, None)
    return (
        f"SELECT user_id, key FROM ({shown}) AS shown "
        f"WHERE known_us < {at_us} AND until_us >= {at_us}"
    )


def _check_counts(objective: Objective, counts: Sequence[OutcomeCount]) -> None:
    minimum = objective.spec.training.minimum_positives
    for count in counts:
        if count.outcomes < minimum:
            raise NotReadyError(
                f"{count.outcomes} outcomes of known users in the window from {count.cutoff[:10]}, "
                f"and `training.minimum_positives` asks for {minimum}",
                hint=_MORE,
            )
        if count.users < _FEWEST_USERS:
            raise NotReadyError(
                f"{count.users} known users with an outcome in the window from "
                f"{count.cutoff[:10]}, and {_FEWEST_USERS} are needed to judge by",
                hint=_MORE,
            )


def _missing_events(con: duckdb.DuckDBPyConnection, choice: AnyChoice) -> tuple[str, ...]:
    """Events named beside the objective's own that never occur."""
    named = [each.event for each in choice.interest] + [rule.event for rule in choice.exclude]
    names = [name for (name,) in con.execute("SELECT DISTINCT name FROM events").fetchall()]
    return tuple(
        f"'{event}' never occurs in the event log; {near_names(event, names)}"
        for event in dict.fromkeys(named)
        if event not in names
    )
