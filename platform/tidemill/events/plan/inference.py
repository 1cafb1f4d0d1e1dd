"""A plan from what the log holds: what was always so is what is asked from now on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from tidemill.events import mapped
from tidemill.events.plan.enumerations import Value, may_be_enumerated, values_of
from tidemill.events.plan.schema import EventPlan, PlanSpec, PropertyPlan, TrackingPlan, Type
from tidemill.events.rules import LONGEST_ID

ENOUGH = 500
"""Events without an exception before something counts as a rule: one exception in a hundred would
have shown with a probability of more than 99%."""

_ENOUGH_FOR_A_TYPE = 100
_SMALLEST_SHARE = 0.01
_MOST_EVENTS = 500
_MOST_PROPERTIES = 50
_INTEGERS = frozenset(("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"))
_TYPES: dict[str, Type] = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "OBJECT": "object",
    "ARRAY": "array",
}
# Real logs repeat the same few properties: each distinct text is read once.
_TEXTS = """
CREATE OR REPLACE TEMP TABLE texts AS SELECT name, properties, count(*) AS events,
    min(timestamp) AS first, max(timestamp) AS last
FROM events WHERE name IN (SELECT unnest($names)) GROUP BY ALL
"""
_ENTRIES = f"""
CREATE OR REPLACE TEMP VIEW entries AS SELECT name, events, first, last,
    entry.key AS key, entry.value AS value
FROM (SELECT * EXCLUDE (properties),
    unnest(map_entries(from_json(properties, '"MAP(VARCHAR, JSON)"'))) AS entry FROM texts)
WHERE entry.value IS NOT NULL AND entry.value <> 'null'
    AND length(entry.key) BETWEEN 1 AND {LONGEST_ID}
"""
_PROPERTIES = """
SELECT name, key, sum(events)::BIGINT, min(first), max(last),
    list(DISTINCT json_type(value)), approx_count_distinct(value)
FROM entries GROUP BY name, key ORDER BY name, 3 DESC, key
"""
_VALUES = """
SELECT name, key, json_extract_string(value, '$') AS text, sum(events)::BIGINT, min(first)
FROM entries SEMI JOIN candidates USING (name, key) GROUP BY name, key, text ORDER BY ALL
"""
_CANDIDATES = pa.schema([("name", pa.string()), ("key", pa.string())])
_NAMES = f"""
SELECT name, count(*), count(item_id), count(value) FROM events GROUP BY name
ORDER BY 2 DESC, 1 LIMIT {_MOST_EVENTS}
"""


@dataclass(frozen=True)
class Found:
    """One property of the events of one name."""

    name: str
    key: str
    given: int
    """Events that have it."""
    first: datetime
    last: datetime
    kinds: frozenset[str]
    """DuckDB's words for the JSON types of its values."""
    distinct: int
    """Different values, about."""


def infer_plan(con: duckdb.DuckDBPyConnection) -> TrackingPlan:
    """The strictest plan that the events in the view `events` give reason for.

    All of them keep it. Nothing is asked of the ranges of numbers, nor of values that are ids, nor
    of anything that was seen too seldom.
    """
    counts = {
        name: numbers
        for name, *numbers in con.execute(_NAMES).fetchall()
        if name not in (mapped.IDENTIFY, mapped.ALIAS, mapped.GROUP, mapped.PAGE, mapped.SCREEN)
    }
    con.execute(_TEXTS, {"names": list(counts)})
    con.execute(_ENTRIES)
    found = [
        Found(name, key, given, first, last, frozenset(kinds), distinct)
        for name, key, given, first, last, kinds, distinct in con.execute(_PROPERTIES).fetchall()
    ]
    values = _values(con, found)
    events = {}
    for name, (total, items, priced) in counts.items():
        own = [
            each for each in found if each.name == name and each.given >= total * _SMALLEST_SHARE
        ]
        fields = {"item_id": items, "value": priced}
        events[name] = _event(own[:_MOST_PROPERTIES], total, fields, values)
    return TrackingPlan.of(PlanSpec(events=events))


def _event(
    found: Iterable[Found],
    total: int,
    fields: Mapping[str, int],
    values: Mapping[tuple[str, str], list[str]],
) -> EventPlan:
    found = sorted(found, key=lambda each: each.key)
    plan: dict[str, Any] = {
        "required": [each.key for each in found if each.given == total >= ENOUGH],
        "fields": [field for field, given in fields.items() if given == total >= ENOUGH],
        "properties": {each.key: _property(each, values) for each in found},
    }
    return EventPlan.model_validate(plan)


def _property(found: Found, values: Mapping[tuple[str, str], list[str]]) -> PropertyPlan:
    return PropertyPlan(type=_type(found), values=values.get((found.name, found.key)))


def _type(found: Found) -> Type | None:
    if found.given < _ENOUGH_FOR_A_TYPE:
        return None
    if found.kinds <= _INTEGERS and found.given >= ENOUGH:
        return "integer"
    if found.kinds <= _INTEGERS | {"DOUBLE"}:
        return "number"
    return _TYPES.get(next(iter(found.kinds))) if len(found.kinds) == 1 else None


def _values(
    con: duckdb.DuckDBPyConnection, found: Iterable[Found]
) -> dict[tuple[str, str], list[str]]:
    """The allowed values of the texts that have few of them."""
    candidates = {
        (each.name, each.key): each
        for each in found
        if each.kinds == {"VARCHAR"} and may_be_enumerated(each.key, each.given, each.distinct)
    }
    places = [{"name": name, "key": key} for name, key in candidates]
    con.register("candidates", pa.Table.from_pylist(places, schema=_CANDIDATES))
    seen: dict[tuple[str, str], list[Value]] = {place: [] for place in candidates}
    for name, key, text, events, first in con.execute(_VALUES).fetchall():
        seen[name, key].append(Value(text, events, first))
    chosen = {
        place: values_of(seen[place], each.first + (each.last - each.first) / 2)
        for place, each in candidates.items()
    }
    return {place: values for place, values in chosen.items() if values is not None}
