"""The rules an event must meet, applied to whole tables. Pure: a table in, two tables out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.events.ids import NOBODY_IDS
from tidemill.events.rules import (
    LARGEST_PROPERTIES,
    LONGEST_ID,
    NO_NAME,
    NOBODY,
    TOO_DEEP,
    TOO_LARGE,
)
from tidemill.events.schema import DEAD_LETTERS, EVENTS
from tidemill.events.sound import is_sound

CLOCK_SKEW = timedelta(hours=1)
"""How far another machine's `received_at` may run ahead of ours."""
FARTHEST_FUTURE = timedelta(days=366)
"""A `timestamp` beyond is a mistake. One before is kept: it counts once its time has come."""

_NOT_AN_OBJECT = "not an object"
_JUNK_ID = "(?i)[0-]*|" + "|".join(map(re.escape, sorted(NOBODY_IDS)))


def _id(column: str) -> str:
    text = f"nullif(trim({column}::VARCHAR), '')"
    junk = f"regexp_full_match({text}, '{_JUNK_ID}')"
    return f"CASE WHEN {junk} THEN NULL ELSE {text} END AS {column}"


# Texts that look missing are missing; anything the raw columns hold is cast, never assumed.
_TYPED = f"""
CREATE TEMP TABLE typed AS SELECT
    nullif(trim(event_id::VARCHAR), '') AS event_id,
    nullif(trim(name::VARCHAR), '') AS name,
    {_id("user_id")}, {_id("anonymous_id")},
    nullif(trim(item_id::VARCHAR), '') AS item_id,
    timestamp AS raw_timestamp, TRY_CAST(timestamp AS TIMESTAMPTZ) AS timestamp,
    received_at AS raw_received_at, TRY_CAST(received_at AS TIMESTAMPTZ) AS received_at,
    value AS raw_value, TRY_CAST(value AS DOUBLE) AS value,
    properties, line::BIGINT AS line, raw::VARCHAR AS raw
FROM unchecked
"""
_JUDGED = f"""
CREATE TEMP TABLE judged AS SELECT *, CASE
    WHEN name IS NULL THEN '{NO_NAME}'
    WHEN coalesce(user_id, anonymous_id) IS NULL THEN '{NOBODY}'
    WHEN greatest(length(event_id), length(name), length(user_id), length(anonymous_id),
        length(item_id)) > {LONGEST_ID} THEN 'id or name over {LONGEST_ID} characters'
    WHEN raw_timestamp IS NULL THEN 'no timestamp'
    WHEN timestamp IS NULL OR NOT isfinite(timestamp) THEN 'unreadable timestamp'
    WHEN timestamp < TIMESTAMPTZ '1971-01-01 00:00:00Z' THEN 'timestamp before 1971'
    WHEN timestamp > $farthest THEN 'timestamp over a year in the future'
    WHEN raw_received_at IS NOT NULL AND (received_at IS NULL OR NOT isfinite(received_at))
        THEN 'unreadable received_at'
    WHEN received_at > $latest THEN 'received_at in the future'
    WHEN raw_value IS NOT NULL AND (value IS NULL OR NOT isfinite(value))
        THEN 'value is not a finite number'
    WHEN properties = '{_NOT_AN_OBJECT}' THEN 'properties are not a JSON object'
    WHEN properties = '{TOO_DEEP}' THEN '{TOO_DEEP}'
    WHEN strlen(properties) > {LARGEST_PROPERTIES} THEN '{TOO_LARGE}'
END AS reason FROM typed
"""
_VALID = """
SELECT
    coalesce(event_id, 'h-' || left(sha256(to_json([
        name, user_id, anonymous_id, item_id, epoch_us(timestamp)::VARCHAR, value::VARCHAR,
        properties
    ])::VARCHAR), 32)) AS event_id,
    name, user_id, anonymous_id, item_id, timestamp,
    coalesce(received_at, least(timestamp, $now)) AS received_at, value, properties
FROM judged WHERE reason IS NULL
"""
_DEAD = """
SELECT
    $now AS received_at, reason, $source AS source, line,
    coalesce(raw, to_json({
        event_id: event_id, name: name, user_id: user_id, anonymous_id: anonymous_id,
        item_id: item_id, timestamp: raw_timestamp::VARCHAR,
        received_at: raw_received_at::VARCHAR, value: raw_value::VARCHAR, properties: properties
    })::VARCHAR) AS raw
FROM judged WHERE reason IS NOT NULL
"""


@dataclass(frozen=True)
class Validated:
    """What became of a table of unchecked events."""

    valid: pa.Table
    """EVENTS schema."""
    dead: pa.Table
    """DEAD_LETTERS schema."""


def validate(unchecked: pa.Table, source: str, now: datetime, canonical: bool = False) -> Validated:
    """Sort events into valid and dead ones.

    `unchecked` has the columns of EVENTS plus `line` and `raw`, of any type that can be cast:
    numbers and times may be text. Times without a zone are UTC. An event without an id gets one
    made of its content; one without `received_at` counts as received when it happened, or `now`.
    `now` is the clock that tells the future, zoned. `canonical` properties are JSON objects with
    sorted keys already. Ids that name nobody (`null`, `undefined`, zeros) count as missing.
    """
    if not canonical:
        return judge(_with_sorted_keys(unchecked), source, now)
    sound = is_sound(unchecked, now + CLOCK_SKEW, now + FARTHEST_FUTURE)
    rest = unchecked.filter(pc.invert(sound))
    if rest.num_rows * 2 > unchecked.num_rows:
        return judge(unchecked, source, now)
    doubtful = judge(rest, source, now)
    if doubtful.valid.num_rows:  # among the others, in their order: the first of equal ids wins
        return judge(unchecked, source, now)
    return Validated(unchecked.filter(sound).select(EVENTS.names).cast(EVENTS), doubtful.dead)


def judge(unchecked: pa.Table, source: str, now: datetime) -> Validated:
    """As `validate`, of events with canonical properties, one rule after the other."""
    if not unchecked.num_rows:
        return Validated(EVENTS.empty_table(), DEAD_LETTERS.empty_table())
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("unchecked", unchecked)
        con.execute(_TYPED)
        con.execute(_JUDGED, {"latest": now + CLOCK_SKEW, "farthest": now + FARTHEST_FUTURE})
        valid = con.execute(_VALID, {"now": now}).to_arrow_table().cast(EVENTS)
        dead = con.execute(_DEAD, {"now": now, "source": source}).to_arrow_table()
    return Validated(valid, dead.cast(DEAD_LETTERS))


def _with_sorted_keys(unchecked: pa.Table) -> pa.Table:
    """Each distinct text is parsed once: real logs repeat the same few properties."""
    position = unchecked.schema.get_field_index("properties")
    column = unchecked.column(position).cast(pa.string()).combine_chunks().dictionary_encode()
    distinct = pa.array([_canonical(text.as_py()) for text in column.dictionary], pa.string())
    canonical = pc.fill_null(distinct.take(column.indices), "{}")
    return unchecked.set_column(position, "properties", canonical)


def _canonical(text: str) -> str:
    if text in ("", "null"):
        return "{}"
    if text == TOO_DEEP:
        return TOO_DEEP
    try:
        properties = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _NOT_AN_OBJECT
    if not isinstance(properties, dict):
        return _NOT_AN_OBJECT
    try:
        return orjson.dumps(properties, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # orjson reads deeper than it writes
        return TOO_DEEP
