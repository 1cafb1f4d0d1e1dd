"""What vendors' own SDKs sent to a local server, and what their exports look like.

`sdk_payloads.json` was captured from segment-analytics-python 2.4.0, rudder-sdk-python 2.1.9,
mixpanel 5.4.1, amplitude-analytics 1.3.0, posthog 7.91.1 and snowplow-tracker 1.1.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Payload = dict[str, Any]
_TEXT = Path(__file__).with_suffix(".json").read_text()
SENT: list[str] = list(json.loads(_TEXT))


def sent(name: str, **changes: Any) -> Payload:
    """A captured event, with `changes` to its fields."""
    return {**json.loads(_TEXT)[name], **changes}


SEGMENT_BROWSER: Payload = {
    "type": "track",
    "event": "Product Viewed",
    "userId": "u1",
    "anonymousId": "a1",
    "messageId": "m1",
    "originalTimestamp": "2026-03-01T12:00:00.000Z",
    "context": {"ip": "192.0.2.1", "page": {"path": "/x"}},
    "properties": {"product_id": "p1", "price": 19.9},
}
SEGMENT_ARCHIVED: Payload = {
    **SEGMENT_BROWSER,
    "timestamp": "2026-03-01T12:00:05.000Z",
    "sentAt": "2026-03-01T12:00:01.000Z",
    "receivedAt": "2026-03-01T12:00:06.000Z",
    "channel": "client",
    "version": 2,
}
MIXPANEL_EXPORTED: Payload = {
    "event": "Viewed",
    "properties": {
        "time": 1795408749,
        "distinct_id": "u1",
        "$distinct_id_before_identity": "$device:d1",
        "$device_id": "d1",
        "$insert_id": "fe1477e95364452eafaf028823a636f5",
        "mp_processing_time_ms": 1795408760123,
        "mp_lib": "python",
    },
}
AMPLITUDE_EXPORTED: Payload = {
    "event_type": "Order Completed",
    "user_id": "u1",
    "device_id": "d1",
    "$insert_id": "c0e8de2b-8f92-4c2e-825f-24159e514cae",
    "uuid": "0f0c6c4e-7a0e-11ee-b962-0242ac120002",
    "event_time": "2026-11-23 04:39:10.082000",
    "client_event_time": "2026-11-23 04:39:11.082000",
    "client_upload_time": "2026-11-23 04:39:12.082000",
    "server_received_time": "2026-11-23 04:39:11.090000",
    "server_upload_time": "2026-11-23 04:39:13.000000",
    "event_properties": {"product_id": "p1"},
    "user_properties": {"plan": "pro"},
    "amplitude_id": 12345,
    "country": "Germany",
}
GA4_JSON: Payload = {
    "event_date": "20260301",
    "event_timestamp": "1772366400123456",
    "event_name": "view_item",
    "event_params": [
        {"key": "page_location", "value": {"string_value": "https://shop.example/p1"}},
        {"key": "ga_session_id", "value": {"int_value": "1772366000"}},
        {"key": "value", "value": {"double_value": 19.9}},
    ],
    "event_value_in_usd": 21.5,
    "user_pseudo_id": "123.456",
    "user_properties": [],
    "user_first_touch_timestamp": "1772366400123456",
    "batch_event_index": "3",
    "items": [{"item_id": "p1", "price": 19.9, "quantity": "1", "item_params": []}],
    "ecommerce": {"total_item_quantity": "1"},
    "device": {"category": "mobile"},
    "platform": "WEB",
}
GA4_PARQUET: Payload = {
    "event_date": "20260301",
    "event_timestamp": 1772366400123456,
    "event_name": "view_item",
    "event_params": [
        {
            "key": key,
            "value": {
                "string_value": text,
                "int_value": whole,
                "float_value": None,
                "double_value": decimal,
            },
        }
        for key, text, whole, decimal in (
            ("page_location", "https://shop.example/p1", None, None),
            ("ga_session_id", None, 1772366000, None),
            ("value", None, None, 19.9),
        )
    ],
    "event_value_in_usd": 21.5,
    "event_server_timestamp_offset": None,
    "user_id": None,
    "user_pseudo_id": "123.456",
    "user_properties": [],
    "user_first_touch_timestamp": 1772366400123456,
    "batch_event_index": 3,
    "items": [
        {"item_id": "p1", "item_name": None, "price": 19.9, "quantity": 1, "item_params": []}
    ],
    "ecommerce": {"total_item_quantity": 1, "purchase_revenue": None},
    "device": {"category": "mobile", "web_info": {"browser": None}},
    "geo": None,
    "platform": "WEB",
}
