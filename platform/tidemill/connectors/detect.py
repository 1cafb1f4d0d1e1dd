"""Whose export a file is, told from one of its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CALLS = frozenset(("track", "identify", "page", "screen", "group", "alias"))


def detect_format(first: Mapping[str, Any]) -> str | None:
    """A name of `EXPORTS`; None for our own format and for anything unknown."""
    if not isinstance(first, dict):
        return None
    vendors = (vendor for vendor, is_from in _SIGNS.items() if is_from(first))
    return next(vendors, None)


def _is_segment(record: Mapping[str, Any]) -> bool:
    kind = record.get("type")
    known = isinstance(kind, str) and kind in _CALLS
    return known and "messageId" in record and ("userId" in record or "anonymousId" in record)


def _is_mixpanel(record: Mapping[str, Any]) -> bool:
    properties = record.get("properties")
    if "name" in record or "event" not in record or not isinstance(properties, dict):
        return False
    return "time" in properties and ("distinct_id" in properties or "$insert_id" in properties)


def _is_amplitude(record: Mapping[str, Any]) -> bool:
    return "name" not in record and "event_type" in record and "event_time" in record


def _is_ga4(record: Mapping[str, Any]) -> bool:
    return "name" not in record and "event_name" in record and "event_timestamp" in record


_SIGNS = {
    "segment": _is_segment,
    "mixpanel": _is_mixpanel,
    "amplitude": _is_amplitude,
    "ga4": _is_ga4,
}
