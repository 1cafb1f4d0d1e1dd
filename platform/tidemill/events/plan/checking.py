"""Events against the tracking plan. Pure: a table in, two tables out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.events import mapped
from tidemill.events.plan.conditions import Breaches, conditions, missing
from tidemill.events.plan.schema import EventPlan, PropertyPlan, TrackingPlan
from tidemill.events.schema import DEAD_LETTERS
from tidemill.events.validate import Validated

PREFIX = "plan: "
"""What the reasons of all violations start with."""
UNPLANNED = f"{PREFIX}the event is not planned"

_ROWS = 50_000
"""Rows whose properties are in memory at a time."""

_Check = tuple[str, str, Breaches]
"""The property, the reason, and how breaches are found."""


def check_plan(valid: pa.Table, plan: TrackingPlan, origin: str, now: datetime) -> Validated:
    """Sort valid events (EVENTS schema) into those that keep the plan and dead letters.

    A dead letter's reason is the first violation, without the value, so that reasons are few; its
    raw is the whole event in the form of our own JSON lines. `now` is the dead letters' time.
    """
    reasons = dict(violations(valid, plan))
    if not reasons:
        return Validated(valid, DEAD_LETTERS.empty_table())
    rows = sorted(reasons)
    kept = np.ones(valid.num_rows, dtype=bool)
    kept[rows] = False
    count = len(rows)
    dead = {
        "received_at": pa.array([now] * count, DEAD_LETTERS.field("received_at").type),
        "reason": pa.array([reasons[row] for row in rows], pa.string()),
        "source": pa.array([origin] * count, pa.string()),
        "line": pa.nulls(count, pa.int64()),
        "raw": pa.array(map(_native, valid.take(rows).to_pylist()), pa.string()),
    }
    return Validated(valid.filter(pa.array(kept)), pa.table(dead, schema=DEAD_LETTERS))


def violations(valid: pa.Table, plan: TrackingPlan) -> Iterator[tuple[int, str]]:
    """The rows of `valid` that break the plan, in any order, each with its first violation."""
    if not plan.spec.events and plan.spec.unplanned == "allow":
        return
    for start in range(0, valid.num_rows, _ROWS):
        part = valid.slice(start, _ROWS)
        names = part.column("name").combine_chunks().dictionary_encode()
        codes = names.indices.to_numpy()
        for code, name in enumerate(names.dictionary.to_pylist()):
            rows = np.flatnonzero(codes == code)
            for row, reason in _of_one_name(part, rows, name, plan).items():
                yield start + row, reason


def _of_one_name(part: pa.Table, rows: Any, name: str, plan: TrackingPlan) -> dict[int, str]:
    planned = plan.spec.events.get(name)
    if planned is None:
        is_free = plan.spec.unplanned == "allow" or name in _built_in()
        return {} if is_free else dict.fromkeys(rows.tolist(), UNPLANNED)
    found: dict[int, str] = {}
    for field in planned.fields:
        for row in rows[_are_null(part.column(field), rows)].tolist():
            found.setdefault(row, f"{PREFIX}{name} has no {field}")
    if checks := list(_checks(name, planned)):
        texts = part.column("properties").take(rows).combine_chunks().dictionary_encode()
        codes = texts.indices.to_numpy()
        for reason, broken in _broken(checks, texts.dictionary.to_pylist()):
            for row in rows[np.isin(codes, broken)].tolist():
                found.setdefault(row, reason)
    return found


def _broken(checks: list[_Check], texts: list[str]) -> Iterator[tuple[str, list[int]]]:
    """Reasons, and which of the distinct `texts` they are true of."""
    objects = orjson.loads(f"[{','.join(texts)}]")
    for key, reason, breaches in checks:
        if found := breaches([properties.get(key) for properties in objects]):
            yield reason, found


def _checks(name: str, planned: EventPlan) -> Iterator[_Check]:
    for key in dict.fromkeys([*planned.required, *planned.properties]):
        place = f"{PREFIX}{name}.{key}"
        if key in planned.required:
            yield key, f"{place} is missing", missing
        for complaint, breaches in conditions(planned.properties.get(key, PropertyPlan())):
            yield key, f"{place} {complaint}", breaches


def _built_in() -> tuple[str, ...]:
    """Names of events that SDKs send by calls of their own; nobody plans them."""
    return mapped.IDENTIFY, mapped.ALIAS, mapped.GROUP, mapped.PAGE, mapped.SCREEN


def _are_null(column: pa.ChunkedArray, rows: Any) -> Any:
    return pc.is_null(column.take(rows)).to_numpy()


def _native(event: dict[str, Any]) -> str:
    event["properties"] = orjson.Fragment(event["properties"])
    return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()
