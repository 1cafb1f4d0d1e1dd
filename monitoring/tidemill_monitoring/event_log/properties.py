"""Properties that vanished, appeared, turned null or changed their type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.shares import ShareChange, find_change
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status, Verdict

if TYPE_CHECKING:
    import duckdb

_KINDS = ("text", "number", "boolean", "array", "object")
_KEYS_PER_NAME = 100
_ROWS = "SELECT name, day, count(*) FROM event_sample GROUP BY ALL"
_USES = f"""
WITH entries AS (
    SELECT name, day, unnest(map_entries(properties::JSON::MAP(VARCHAR, JSON))) AS entry
    FROM event_sample WHERE properties <> '{{}}'
),
uses AS (
    SELECT name, day, entry.key AS key, CASE json_type(entry.value)
        WHEN 'VARCHAR' THEN 'text' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'ARRAY' THEN 'array'
        WHEN 'OBJECT' THEN 'object' WHEN 'BIGINT' THEN 'number' WHEN 'UBIGINT' THEN 'number'
        WHEN 'DOUBLE' THEN 'number' ELSE 'null' END AS kind, count(*) AS events
    FROM entries GROUP BY ALL
),
kept AS (
    SELECT name, key FROM uses GROUP BY name, key
    QUALIFY row_number() OVER (PARTITION BY name ORDER BY sum(events) DESC, key) <= {_KEYS_PER_NAME}
)
SELECT name, key, kind, day, events FROM uses SEMI JOIN kept USING (name, key)
"""
_SHOWN = 3
_LEAST_PRESENCE = 0.1
_LEAST_NULLS = 0.2
_LEAST_TYPE = 0.2
_ALMOST_NONE = 0.05
_MOSTLY = 0.5

Days = NDArray[np.float64]


@dataclass(frozen=True)
class PropertyUse:
    """How often one property of one event was there; arrays are [days]."""

    name: str
    key: str
    rows: Days
    """Sampled events of the name."""
    kinds: dict[str, Days]
    """Of them, those with the property, by the JSON type of its value."""


@dataclass(frozen=True)
class PropertyChange:
    """One property that is not what it was."""

    name: str
    key: str
    kind: str
    """vanished, rarer, appeared, more frequent, null, or type."""
    before: float
    now: float
    since: str
    type_before: str | None = None
    type_now: str | None = None

    @property
    def urgent(self) -> bool:
        lost = self.kind == "vanished" and self.before >= _MOSTLY
        return lost or self.kind == "type" or (self.kind == "null" and self.now >= _MOSTLY)


def read_uses(con: duckdb.DuckDBPyConnection, days: int) -> list[PropertyUse]:
    """Of the table event_sample, days 0 to `days`; at most a hundred properties of a name."""
    rows: dict[str, Days] = {}
    for name, day, count in con.execute(_ROWS).fetchall():
        rows.setdefault(name, np.zeros(days))[day] = count
    uses: dict[tuple[str, str], PropertyUse] = {}
    for name, key, kind, day, count in con.execute(_USES).fetchall():
        use = uses.setdefault((name, key), PropertyUse(name, key, rows[name], {}))
        use.kinds.setdefault(kind, np.zeros(days))[day] = count
    return list(uses.values())


def judge_properties(uses: Sequence[PropertyUse], span: Span) -> Verdict:
    """The newest days against the four weeks before the judged ones."""
    changes = sorted(
        (change for use in uses for change in find_property_changes(use, span)),
        key=lambda change: (not change.urgent, -abs(change.now - change.before), change.key),
    )
    evidence = {"properties": len(uses), "changes": [asdict(change) for change in changes]}
    known = any(use.rows[: -span.judged].any() for use in uses)
    if not changes and not known:
        sentence = "No properties of earlier days to compare with."
        return Verdict(LogConcern.PROPERTIES, Status.UNDECIDED, sentence, evidence)
    if not changes:
        sentence = f"All {len(uses)} properties are there as usual, in their usual types."
        return Verdict(LogConcern.PROPERTIES, Status.OK, sentence, evidence)
    sentences = [_describe(change) for change in changes[:_SHOWN]]
    if len(changes) > _SHOWN:
        sentences.append(f"{len(changes) - _SHOWN} more changed.")
    sentences.append("Restore them, or change the tracking plan and what reads them.")
    urgent = any(change.urgent for change in changes)
    status = Status.ACT if urgent else Status.WATCH
    return Verdict(LogConcern.PROPERTIES, status, " ".join(sentences), evidence)


def find_property_changes(use: PropertyUse, span: Span) -> Iterator[PropertyChange]:
    """Changes of one property: whether it is there, and if so, null or of another type."""
    present = sum(use.kinds.values(), np.zeros(len(use.rows)))
    nulls = use.kinds.get("null", np.zeros(len(use.rows)))
    presence = find_change(present, use.rows, span.judged, _LEAST_PRESENCE)
    if presence is not None:
        yield _change(use, _presence_kind(presence), presence, span)
    null_share = find_change(nulls, present, span.judged, _LEAST_NULLS)
    if null_share is not None and null_share.now > null_share.before:
        yield _change(use, "null", null_share, span)
    yield from _type_change(use, present - nulls, span)


def _presence_kind(change: ShareChange) -> str:
    if change.now < change.before:
        return "vanished" if change.now < _ALMOST_NONE * change.before else "rarer"
    return "appeared" if change.before < _ALMOST_NONE * change.now else "more frequent"


def _type_change(use: PropertyUse, filled: Days, span: Span) -> Iterator[PropertyChange]:
    """The usual type gave way to another."""
    past = {kind: use.kinds[kind][: -span.judged].sum() for kind in _KINDS if kind in use.kinds}
    if not past:
        return
    usual = max(past, key=lambda kind: past[kind])
    found = find_change(use.kinds[usual], filled, span.judged, _LEAST_TYPE)
    if found is None or found.now > found.before:
        return
    newest = {kind: use.kinds[kind][found.since :].sum() for kind in past if kind != usual}
    other = max(newest, key=lambda kind: newest[kind])
    yield PropertyChange(
        use.name, use.key, "type", found.before, found.now, span.spell(found.since), usual, other
    )


def _change(use: PropertyUse, kind: str, found: ShareChange, span: Span) -> PropertyChange:
    return PropertyChange(use.name, use.key, kind, found.before, found.now, span.spell(found.since))


def _describe(change: PropertyChange) -> str:
    what = f"`{change.key}` of `{change.name}`"
    shares = f"({change.before:.0%} before, {change.now:.0%} now)"
    if change.kind == "type":
        return f"{what} became {change.type_now}, was {change.type_before}, on {change.since}."
    if change.kind == "null":
        return f"{what} is null more often since {change.since} {shares}."
    if change.kind in ("vanished", "appeared"):
        return f"{what} {change.kind} on {change.since} {shares}."
    return f"{what} is {change.kind} since {change.since} {shares}."
