"""Snowplow's live events: tracker protocol version 2, in which every value is text.

A self-describing event has its schema's name and its data as properties; a structured one has its
action's name. Contexts are kept as `contexts`. What else the tracker sends (page, app, platform)
stands under its protocol name, for self-describing events under `context`.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import orjson

from tidemill.connectors.fields import (
    assemble,
    correct_clock,
    epoch_us,
    item_of,
    number,
    require_object,
    value_of,
)
from tidemill.events.mapped import PAGE, MappedEvent, RefusedError, text_id
from tidemill.events.rules import NO_NAME

_NAMES = {"pv": PAGE, "pp": "page_ping", "tr": "transaction", "ti": "transaction_item"}
_VALUES = {"se": "se_va", "tr": "tr_tt", "ti": "ti_pr"}
_TRANSPORT = frozenset(
    ("e", "eid", "dtm", "stm", "ttm", "uid", "duid", "tnuid", "ue_pr", "ue_px", "co", "cx")
)
_UNREADABLE = "unreadable self-describing JSON"
_Event = tuple[str | None, dict[str, Any]]


def map_snowplow(payload: Mapping[str, str], received_at: int) -> MappedEvent:
    """One event of a tp2 request. Raises RefusedError."""
    require_object(payload)
    kind = payload.get("e")
    if not isinstance(kind, str):
        raise RefusedError(NO_NAME)
    atomic = {key: value for key, value in payload.items() if key not in _TRANSPORT}
    contexts = _contexts(payload)
    if kind == "ue":
        name, properties = _self_describing(payload)
        item_id, value = item_of(properties), value_of(properties)
        properties = {"context": atomic, **properties}
    else:
        name = payload.get("se_ac") if kind == "se" else _NAMES.get(kind)
        properties = atomic
        item_id = text_id(payload.get("ti_sk")) if kind == "ti" else None
        value = number(payload.get(_VALUES[kind])) if kind in _VALUES else None
    if contexts:
        properties.setdefault("contexts", contexts)
    return assemble(
        text_id(payload.get("eid")),
        name,
        payload.get("uid"),
        _anonymous_id(payload, contexts),
        _time(payload, received_at),
        received_at,
        properties,
        item_id=item_id,
        value=value,
    )


def _time(payload: Mapping[str, Any], received_at: int) -> int | None:
    """The true time where the program knew it, else the device's, by our clock."""
    if "ttm" in payload:
        return epoch_us(payload["ttm"])
    if "dtm" not in payload:
        return received_at
    happened, sent_at = epoch_us(payload["dtm"]), epoch_us(payload.get("stm"))
    if happened is not None and sent_at is not None:
        # Some trackers round the sending time down, below the time of what they send.
        sent_at = max(sent_at, happened)
    return correct_clock(happened, sent_at, received_at)


def _anonymous_id(payload: Mapping[str, Any], contexts: Any) -> str | None:
    """Of the browser, of the network, or of a mobile app's session."""
    found = text_id(payload.get("duid")) or text_id(payload.get("tnuid"))
    if found is None and isinstance(contexts, list):
        for context in contexts:
            name, data = _described(context)
            if name == "client_session":
                return text_id(data.get("userId"))
    return found


def _self_describing(payload: Mapping[str, Any]) -> _Event:
    wrapper = _json(payload, "ue_pr", "ue_px")
    return _described(wrapper.get("data")) if isinstance(wrapper, dict) else (None, {})


def _contexts(payload: Mapping[str, Any]) -> Any:
    wrapper = _json(payload, "co", "cx")
    return wrapper.get("data") if isinstance(wrapper, dict) else wrapper


def _described(instance: Any) -> _Event:
    """Name and data of a self-describing JSON; iglu:vendor/name/format/version is its schema."""
    if not isinstance(instance, dict):
        return None, {}
    schema, data = instance.get("schema"), instance.get("data")
    parts = schema.split("/") if isinstance(schema, str) else []
    name = parts[1] if len(parts) == 4 else None
    return name, data if isinstance(data, dict) else {"data": data}


def _json(payload: Mapping[str, Any], plain: str, encoded: str) -> Any:
    """What is sent as JSON under `plain` or as its base64 under `encoded`; None without both."""
    try:
        if plain in payload:
            return orjson.loads(payload[plain])
        if encoded in payload:  # trackers may leave the padding out
            return orjson.loads(urlsafe_b64decode(payload[encoded] + "=="))
    except (TypeError, ValueError) as error:
        raise RefusedError(_UNREADABLE) from error
    return None
