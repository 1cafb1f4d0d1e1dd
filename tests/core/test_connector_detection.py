"""Whose export a file is."""

from __future__ import annotations

from typing import Any

import pytest
from sdk_payloads import (
    AMPLITUDE_EXPORTED,
    GA4_JSON,
    GA4_PARQUET,
    MIXPANEL_EXPORTED,
    SEGMENT_ARCHIVED,
    sent,
)

from tidemill.connectors.detect import detect_format
from tidemill.connectors.exports import EXPORTS


@pytest.mark.parametrize(
    ("record", "vendor"),
    [
        (SEGMENT_ARCHIVED, "segment"),
        (sent("segment page"), "segment"),
        (sent("rudderstack identify"), "segment"),
        (MIXPANEL_EXPORTED, "mixpanel"),
        (AMPLITUDE_EXPORTED, "amplitude"),
        (GA4_JSON, "ga4"),
        (GA4_PARQUET, "ga4"),
    ],
)
def test_a_record_tells_its_vendor(record: dict[str, Any], vendor: str) -> None:
    """And there is a connector for it."""
    assert detect_format(record) == vendor
    assert EXPORTS[vendor](record).name


NATIVE = {"name": "order", "timestamp": "2026-03-01T12:00:00Z", "user_id": "u1"}


@pytest.mark.parametrize(
    "record",
    [
        NATIVE,
        {**NATIVE, "type": "track", "messageId": "m1"},
        {**NATIVE, "type": "page", "properties": {"time": 1, "distinct_id": "x"}},
        {**NATIVE, "event": "x", "properties": {"time": 1, "distinct_id": "x"}},
        {**NATIVE, "event_type": "x", "event_time": "2026-03-01"},
        {**NATIVE, "event_name": "x", "event_timestamp": 1},
        {},
        {"type": ["track"], "messageId": 1, "userId": 2},
        [],
        None,
    ],
)
def test_our_own_events_are_nobody_elses(record: Any) -> None:
    """Whatever properties stand beside theirs."""
    assert detect_format(record) is None
