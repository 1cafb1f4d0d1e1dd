"""What may be offered: items, or groups of them, that meet an objective's conditions."""

from __future__ import annotations

from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.objective import Objective
from tidemill.objective.recommending import Choice
from tidemill.recommendation.catalogue import ALWAYS, Attribute, Catalogue
from tidemill.recommendation.interests import InterestDefinition, interests_of
from tidemill_features.instants import in_microseconds
from tidemill_features.interest_sql import joined_items, key_of
from tidemill_features.sql import condition, field_of, known_at, quoted

_MOST_ATTRIBUTES = 64
"""Those that the most items have; and in any case those that the objective names."""


def catalogue_of(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> Catalogue:
    """Items of the items table and of events known `at` that meet the objective's conditions.

    Sorted by UTF-8. Of groups, attributes that all members share, and the time in which any member
    is available. An empty text is no value. `con` has the views `user_events` and `items`.
    """
    choice = _choice(objective)
    names = _attributes(con, choice)
    seen = _seen(interests_of(objective), in_microseconds(at))
    found = con.execute(_groups(choice, names, _members(choice, seen))).to_arrow_table()
    attributes = {
        name: attribute
        for position, name in enumerate(names)
        if (attribute := _attribute(found.column(f"a{position}"))).values
    }
    start, end = (found.column(name).to_numpy() for name in ("starts", "ends"))
    return Catalogue(tuple(found.column("key").to_pylist()), attributes, start, end)


def unreadable_bounds(con: duckdb.DuckDBPyConnection, objective: Objective) -> tuple[str, ...]:
    """A sentence for each attribute of availability that is no point in time in some items."""
    window = _choice(objective).items.available
    fields = dict.fromkeys(field for field in (window.start, window.end) if field is not None)
    return tuple(sentence for field in fields if (sentence := _unreadable(con, field)))


def _unreadable(con: duckdb.DuckDBPyConnection, field: str) -> str:
    count, example = con.execute(
        f"SELECT count(*), min({field_of(field)}) FROM items AS i WHERE {_is_unreadable(field)}"
    ).fetchall()[0]
    if not count:
        return ""
    subject = "1 item is" if count == 1 else f"{count:,} items are"
    return (
        f"{subject} never offered, because '{field}' is no ISO 8601 date or instant there, such as "
        f"'{example}'"
    )


def mean_attribute(
    con: duckdb.DuckDBPyConnection, objective: Objective, field: str, at: datetime
) -> dict[str, float]:
    """The mean of a numeric attribute, `item.<name>`, over all that each offer stands for."""
    choice = _choice(objective)
    members = _members(choice, _seen(interests_of(objective), in_microseconds(at)))
    number = f"TRY_CAST({field_of(field)} AS DECIMAL(18, 4))"
    rows = con.execute(f"SELECT key, avg({number}) FROM ({members}) AS i GROUP BY key").fetchall()
    return {key: mean for key, mean in rows if mean is not None}


def _choice(objective: Objective) -> Choice:
    if objective.choice is None:
        raise ValueError(f"'{objective.name}' is a {objective.type}, which has no items to choose")
    return objective.choice


def _attributes(con: duckdb.DuckDBPyConnection, choice: Choice) -> list[str]:
    """Names of attributes without `item.`, sorted."""
    rows = con.execute(
        "SELECT name FROM (SELECT unnest(json_keys(attributes)) AS name FROM items) AS named "
        f"GROUP BY name ORDER BY count(*) DESC, name LIMIT {_MOST_ATTRIBUTES}"
    ).fetchall()
    fields = (*choice.items.where, *choice.at_most, choice.items.by or "")
    named = {field.removeprefix("item.") for field in fields if field.startswith("item.")}
    return sorted({name for (name,) in rows} | named)


def _members(choice: Choice, seen: str) -> str:
    """`key, attributes`: what is offered, once for each item it stands for."""
    by, met = choice.items.by, condition(choice.items.where)
    if by is not None and by.startswith("item."):
        return (
            f"SELECT nullif({field_of(by)}, '') AS key, i.attributes FROM items AS i "
            f"WHERE key IS NOT NULL AND {met}"
        )
    if by is not None:
        return (
            f"SELECT key, i.attributes FROM ({seen}) AS seen LEFT JOIN items AS i USING (item_id) "
            f"WHERE {met}"
        )
    return (
        f"SELECT i.item_id AS key, i.attributes FROM items AS i WHERE {met} UNION ALL "
        f"SELECT key, NULL FROM ({seen}) AS seen ANTI JOIN items AS i ON i.item_id = seen.key "
        f"WHERE {'FALSE' if choice.items.where else 'TRUE'}"
    )


def _seen(definition: InterestDefinition, at_us: int) -> str:
    """`key, item_id` of known events that show interest."""
    names = ", ".join(quoted(each.event) for each in definition.events)
    known = known_at(f"make_timestamptz({at_us})", "e")
    return (
        f"SELECT DISTINCT {key_of(definition)} AS key, e.item_id FROM user_events AS e "
        f"{joined_items(definition)} WHERE e.name IN ({names}) AND {known} "
        "AND key IS NOT NULL"
    )


def _groups(choice: Choice, names: list[str], members: str) -> str:
    """`key, starts, ends, a0, a1, ...`, one row for each key."""
    window = choice.items.available
    never = " OR ".join(_is_unreadable(each) for each in (window.start, window.end) if each)
    starts, ends = _instant(window.start, -ALWAYS), _instant(window.end, ALWAYS)
    if never:
        # Whoever meant an end must not find the item offered for ever.
        starts = f"CASE WHEN {never} THEN {ALWAYS} ELSE {starts} END"
        ends = f"CASE WHEN {never} THEN {-ALWAYS} ELSE {ends} END"
    values = [f"nullif({field_of(f'item.{name}')}, '') AS v{n}" for n, name in enumerate(names)]
    shared = [
        f"CASE WHEN count(v{n}) = count(*) AND min(v{n}) = max(v{n}) THEN min(v{n}) END AS a{n}"
        for n in range(len(names))
    ]
    return f"""
SELECT {", ".join(["key", "min(starts) AS starts", "max(ends) AS ends", *shared])}
FROM (
  SELECT {", ".join(["key", f"{starts} AS starts", f"{ends} AS ends", *values])}
  FROM ({members}) AS i
) AS member
GROUP BY key ORDER BY key
"""


def _instant(field: str | None, otherwise: int) -> str:
    """Microseconds since 1970 in an attribute of `i`, `otherwise` where it has none."""
    if field is None:
        return f"{otherwise}::BIGINT"
    return f"coalesce({_microseconds(field)}, {otherwise}::BIGINT)"


def _is_unreadable(field: str) -> str:
    """Whether an attribute of `i` has a value that is no instant; TRUE or FALSE, never NULL."""
    return f"(coalesce({field_of(field)}, '') <> '' AND {_microseconds(field)} IS NULL)"


def _microseconds(field: str) -> str:
    return f"epoch_us(TRY_CAST({field_of(field)} AS TIMESTAMPTZ))"


def _attribute(texts: pa.ChunkedArray) -> Attribute:
    encoded = texts.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int32)
    return Attribute(tuple(encoded.dictionary.to_pylist()), codes)
