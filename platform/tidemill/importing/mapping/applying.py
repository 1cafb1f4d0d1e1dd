"""From a mapping to the function that makes an event of a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tidemill.connectors.fields import number
from tidemill.events.mapped import (
    MappedEvent,
    RefusedError,
    parse_time_us,
    text_id,
    to_json,
)
from tidemill.events.unchecked import UnreadableFileError
from tidemill.importing.mapping.schema import MappingSpec, Time
from tidemill.importing.records import Mapper
from tidemill.objective.problems import nearest

_FIELDS = ("name", "user_id", "anonymous_id", "item_id", "value", "event_id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}
_FARTHEST = 10**18
"""Microseconds before and after 1970; beyond it there is no instant."""
_Getter = Callable[[Mapping[str, Any]], Any]


def mapper_of(spec: MappingSpec) -> Mapper:
    """What reads records as `spec` says."""
    get = {field: _getter(spec, field) for field in _FIELDS}
    timestamp = _instant(spec.timestamp, "timestamp")
    received_at = None if spec.received_at is None else _instant(spec.received_at, "received_at")
    properties = _properties(spec)

    def to_event(record: Mapping[str, Any]) -> MappedEvent:
        happened = timestamp(record)
        received = happened if received_at is None else received_at(record)
        return MappedEvent(
            _text(get["event_id"](record)),
            _text(get["name"](record)),
            text_id(get["user_id"](record)),
            text_id(get["anonymous_id"](record)),
            _text(get["item_id"](record)),
            happened,
            received if received is not None else happened or 0,
            _number(get["value"](record)),
            to_json(properties(record)),
        )

    return Mapper(to_event, lambda columns: _require(spec, columns))


def _columns(spec: MappingSpec) -> list[str]:
    """All columns and paths that `spec` reads."""
    fields = [getattr(spec, field) for field in _FIELDS]
    times = [time.column for time in (spec.timestamp, spec.received_at) if time is not None]
    return [column for column in (*fields, *times, *(spec.properties or ())) if column is not None]


def _require(spec: MappingSpec, columns: Sequence[str]) -> None:
    for column in _columns(spec):
        if column not in columns and column.split(".")[0] not in columns:
            raise UnreadableFileError(
                f"it has no column '{column}', which the mapping names; {nearest(column, columns)}"
            )


def _getter(spec: MappingSpec, field: str) -> _Getter:
    column = getattr(spec, field)
    if column is not None:
        return _path(column)
    constant = spec.constants.get(field)
    return lambda _: constant


def _path(column: str) -> _Getter:
    """A column of this very name, or else the way through nested objects and lists."""
    first, *rest = column.split(".")
    if not rest:
        return lambda record: record.get(column)

    def walk(record: Mapping[str, Any]) -> Any:
        if column in record:
            return record[column]
        found = record.get(first)
        for step in rest:
            found = _step(found, step)
        return found

    return walk


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return None


def _instant(how: Time, field: str) -> Callable[[Mapping[str, Any]], int | None]:
    get, read = _path(how.column), _reader(how)

    def instant(record: Mapping[str, Any]) -> int | None:
        value = get(record)
        if value is None or value == "":
            return None
        found = _micros(value) if isinstance(value, date) else read(value)
        if found is None:
            raise RefusedError(f"unreadable {field}")
        return found

    return instant


def _reader(how: Time) -> Callable[[Any], int | None]:
    if how.format is not None:
        return lambda value: _parse_text(value, str(how.format))
    if how.unit is not None:
        return lambda value: _parse_count(value, str(how.unit))
    return parse_time_us


def _parse_text(value: Any, written: str) -> int | None:
    try:
        return _micros(datetime.strptime(str(value), written))
    except ValueError:
        return None


def _parse_count(value: Any, unit: str) -> int | None:
    """Whole numbers stay exact."""
    try:
        count = int(value) if isinstance(value, str | int) else float(value)
    except (ValueError, TypeError):
        parsed = number(value)
        if parsed is None:
            return None
        count = parsed
    micros = count // 1_000 if unit == "ns" else count * _PER_UNIT[unit]
    return round(micros) if -_FARTHEST < micros < _FARTHEST else None  # nor is NaN


def _micros(value: date) -> int:
    instant = value if isinstance(value, datetime) else datetime.combine(value, time())
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        raise RefusedError("a field is not a single value")
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    found = number(value)
    if found is None:
        raise RefusedError("value is not a finite number")
    return found


def _properties(spec: MappingSpec) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Values that are missing are left out."""
    constants = {key: value for key, value in spec.constants.items() if key not in _FIELDS}
    if spec.properties is not None:
        chosen = [(column, _path(column)) for column in spec.properties]
        return lambda record: (
            constants
            | {column: value for column, get in chosen if (value := get(record)) is not None}
        )
    used = frozenset(_columns(spec))
    return lambda record: (
        constants
        | {
            column: value
            for column, value in record.items()
            if column not in used and value is not None
        }
    )
