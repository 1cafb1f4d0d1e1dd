"""The items of a recommendation set: which ones, what they are worth, and their contexts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill.objective import Objective
from tidemill.recommendation.catalogue import Attribute, Catalogue
from tidemill.recommendation.histories import ItemTable
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.catalogues import catalogue_of, mean_attribute
from tidemill_features.instants import in_microseconds
from tidemill_features.interest_log import InterestLog, within
from tidemill_features.interest_sql import contexts, joined_items, key_of
from tidemill_features.sql import condition, known_at, quoted

_FILE = "items.json"
_VALUES_FILE = "values.npy"
_MOST_CONTEXTS = 256
"""Those of the most users: a model counts every item in every context."""


def choose_items(log: InterestLog, objective: Objective, at: datetime) -> ItemTable:
    """Items that can still be offered at some time after `at`, with the users they need."""
    catalogue = catalogue_of(log.con, objective, at)
    chosen = catalogue.end > in_microseconds(at)
    choice = objective.choice
    if choice is not None and choice.items.minimum_users:
        chosen &= _users(log, catalogue, at) >= choice.items.minimum_users
    positions = np.flatnonzero(chosen)
    ids = tuple(catalogue.items[position] for position in positions.tolist())
    attributes = {
        name: _texts(attribute, positions) for name, attribute in catalogue.attributes.items()
    }
    values = item_values(log, objective, at, ids)
    return ItemTable(ids, attributes, values, _frequent_contexts(log, at))


def item_values(
    log: InterestLog, objective: Objective, at: datetime, ids: tuple[str, ...]
) -> NDArray[np.float32]:
    """What a success with each item is worth, as known `at`; shape [items].

    The mean over the others where an item's is not known, 1 where none is.
    """
    offer = objective.spec.next_best_offer
    if offer is None:
        return np.ones(len(ids), dtype=np.float32)
    if offer.value == "event":
        known, overall = _mean_event_values(log, objective, at)
    else:
        known = mean_attribute(log.con, objective, offer.value, at)
        overall = sum(known.values()) / len(known) if known else 1.0
    return np.array([known.get(item, overall) for item in ids], dtype=np.float32)


def save_items(folder: Path, items: ItemTable) -> None:
    np.save(folder / _VALUES_FILE, items.values)
    described = {name: value for name, value in asdict(items).items() if name != "values"}
    (folder / _FILE).write_bytes(orjson.dumps(described))


def load_items(folder: Path) -> ItemTable:
    found = orjson.loads((folder / _FILE).read_bytes())
    return ItemTable(
        ids=tuple(found["ids"]),
        attributes={name: tuple(texts) for name, texts in found["attributes"].items()},
        values=np.load(folder / _VALUES_FILE, allow_pickle=False),
        contexts=tuple(found["contexts"]),
    )


def _users(log: InterestLog, catalogue: Catalogue, at: datetime) -> NDArray[np.int64]:
    """Users with known interest in each item of the catalogue."""
    key_ids, at_us = log.key_ids(), in_microseconds(at)
    users = np.zeros(len(key_ids), dtype=np.int64)
    for part in log.ranges():
        found = log.con.execute(
            f"SELECT key, count(DISTINCT user) AS users FROM {log.events} "
            f"WHERE {within(part)} AND known_us < {at_us} AND until_us >= {at_us} GROUP BY key"
        ).fetchnumpy()
        users[found["key"]] += found["users"]
    counts = dict(zip(key_ids, users.tolist(), strict=True))
    return np.array([counts.get(item, 0) for item in catalogue.items], dtype=np.int64)


def _texts(attribute: Attribute, positions: NDArray[np.intp]) -> tuple[str | None, ...]:
    values = (*attribute.values, None)
    return tuple(values[code] for code in attribute.codes[positions].tolist())


def _mean_event_values(
    log: InterestLog, objective: Objective, at: datetime
) -> tuple[dict[str, float], float]:
    """Mean value of known target events by key, and of all of them; 1 if none has a value."""
    rows = log.con.execute(
        f"SELECT {key_of(log.definition)} AS key, avg(TRY_CAST(e.value AS DECIMAL(18, 4))) "
        f"FROM {target_events(log.definition, objective)} AND {known_at('$at', 'e')} "
        "AND key IS NOT NULL GROUP BY ROLLUP (key)",
        {"at": at},
    ).fetchall()
    known = {key: mean for key, mean in rows if mean is not None}
    overall = known.pop(None, 1.0)
    return known, overall


def target_events(definition: InterestDefinition, objective: Objective) -> str:
    """Events `e` of the target and their items `i`; text that ends in a condition."""
    target = objective.target
    return (
        f"user_events AS e {joined_items(definition, target.where)} "
        f"WHERE e.name = {quoted(str(target.event))} AND {condition(target.where)}"
    )


def _frequent_contexts(log: InterestLog, at: datetime) -> tuple[str, ...]:
    if log.definition.context is None:
        return ()
    known = contexts(log.definition.context, in_microseconds(at), None)
    frequent = log.texts(
        f"SELECT context FROM ({known}) AS known GROUP BY context "
        f"ORDER BY count(*) DESC, context LIMIT {_MOST_CONTEXTS}"
    )
    return tuple(sorted(frequent))
