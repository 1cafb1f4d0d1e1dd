"""Rows of Google Analytics 4's BigQuery export.

Rows have no event id, and Google rewrites a day's table for three days. The id is therefore made of
the content, and the properties hold nothing that a rewriting may change: not the lifetime value,
the first touch, the attribution to traffic sources, nor the flags of activity and consent. The
numbers of batch and bundle are kept, because they tell apart two equal events of one microsecond.
Import daily tables or intraday ones, not both.

A row does not say when Google received it. On apps `event_server_timestamp_offset` comes close;
elsewhere an event counts as known when it happened, so that hits sent late look punctual, and
features of the past may know up to three days more than a prediction made then. Visitors who
refused cookies have no id, and their rows are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.connectors.fields import (
    NO_TIMESTAMP,
    assemble,
    epoch_us,
    item_of,
    number,
    object_in,
    require_object,
    shift,
    value_of,
)
from tidemill.events.mapped import MappedEvent, RefusedError

_POSITION = frozenset(
    ("batch_page_id", "batch_ordering_id", "batch_event_index", "event_bundle_sequence_id")
)
_INTEGERS = _POSITION | {"quantity", "total_item_quantity", "unique_items", "int_value"}
_EMPTY: tuple[Any, ...] = (None, [], {})
_DEEPEST = 15
"""Levels of records in a BigQuery table."""
_KINDS = ("string_value", "int_value", "double_value", "float_value")
_CONTEXT = ("device", "geo", "app_info", "platform", "stream_id", "collected_traffic_source")


def map_ga4(row: Mapping[str, Any]) -> MappedEvent:
    """One row, as JSON or Python values. Raises RefusedError.

    `event_params` become the properties; `items`, `ecommerce` and `user_properties` stand beside
    them. The item is that of the parameters, or the only one of `items`.
    """
    require_object(row)
    timestamp = epoch_us(row.get("event_timestamp"))
    if timestamp is None:
        raise RefusedError(NO_TIMESTAMP)
    params = _parameters(row.get("event_params"))
    items = [_present(item) for item in _objects(row.get("items"))]
    return assemble(
        None,
        row.get("event_name"),
        row.get("user_id"),
        row.get("user_pseudo_id"),
        timestamp,
        _received_at(row, timestamp),
        {**_surroundings(row, items), **params},
        params,
        item_id=item_of(params) or (item_of(items[0]) if len(items) == 1 else None),
        value=_value(row, params),
    )


def _received_at(row: Mapping[str, Any], timestamp: int) -> int:
    offset = number(row.get("event_server_timestamp_offset"))
    received_at = timestamp if offset is None else shift(timestamp, offset)
    return timestamp if received_at is None else max(timestamp, received_at)


def _value(row: Mapping[str, Any], params: Mapping[str, Any]) -> float | None:
    """Revenue in the event's currency, else what its parameters say, else its value in dollars."""
    revenue = number(object_in(row, "ecommerce").get("purchase_revenue"))
    if revenue is None:
        revenue = value_of(params)
    return number(row.get("event_value_in_usd")) if revenue is None else revenue


def _surroundings(row: Mapping[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    parts = {
        **_present({name: row[name] for name in _POSITION if name in row}),
        "items": items,
        "ecommerce": _present(row.get("ecommerce")),
        "user_properties": _parameters(row.get("user_properties")),
        "context": _present({name: row[name] for name in _CONTEXT if name in row}),
    }
    return {name: part for name, part in parts.items() if part not in _EMPTY}


def _parameters(records: Any) -> dict[str, Any]:
    """{key: value} of a list of {key, value: {string_value, int_value, ...}}."""
    return {
        record["key"]: _parameter(record.get("value"))
        for record in _objects(records)
        if isinstance(record.get("key"), str)
    }


def _parameter(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for kind in _KINDS:
        if (found := value.get(kind)) is not None:
            return _whole(found) if kind == "int_value" else found
    return None


def _whole(value: Any) -> Any:
    """BigQuery's JSON has integers as text."""
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _objects(records: Any) -> list[Mapping[str, Any]]:
    if not isinstance(records, list | tuple):
        return []
    return [record for record in records if isinstance(record, dict)]


def _present(value: Any, levels: int = _DEEPEST) -> Any:
    """`value` without its empty fields: Parquet writes them as null, JSON leaves them out."""
    if levels == 0:
        return value
    if isinstance(value, list):
        return [_present(each, levels - 1) for each in value]
    if not isinstance(value, dict):
        return value
    fields = ((name, _present(field, levels - 1)) for name, field in value.items())
    return {
        name: _whole(field) if name in _INTEGERS else field
        for name, field in fields
        if field not in _EMPTY
    }
