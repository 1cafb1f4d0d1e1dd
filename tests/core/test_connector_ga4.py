"""Rows of GA4's BigQuery export become events of the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sdk_payloads import GA4_JSON, GA4_PARQUET

from tidemill.connectors.ga4 import map_ga4
from tidemill.events.mapped import RefusedError

HAPPENED = 1772366400123456


def param(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def test_a_row_becomes_an_event_without_an_id() -> None:
    """The log makes one of its content."""
    event = map_ga4(GA4_JSON)
    assert event[:8] == (None, "view_item", None, "123.456", "p1", HAPPENED, HAPPENED, 19.9)
    assert json.loads(event.properties) == {
        "page_location": "https://shop.example/p1",
        "ga_session_id": 1772366000,
        "value": 19.9,
        "batch_event_index": 3,
        "items": [{"item_id": "p1", "price": 19.9, "quantity": 1}],
        "ecommerce": {"total_item_quantity": 1},
        "context": {"device": {"category": "mobile"}, "platform": "WEB"},
    }


def test_json_and_parquet_are_the_same_event() -> None:
    """One writes integers as text and leaves empty fields out, the other does neither."""
    assert map_ga4(GA4_JSON) == map_ga4(GA4_PARQUET)


def test_a_rewritten_row_is_the_same_event() -> None:
    """Google fills in attribution and totals for three days."""
    rewritten = {
        **GA4_JSON,
        "user_ltv": {"revenue": 50.0},
        "traffic_source": {"source": "google"},
        "session_traffic_source_last_click": {"manual_campaign": {"source": "x"}},
        "user_first_touch_timestamp": "1772366400000000",
        "is_active_user": True,
        "privacy_info": {"analytics_storage": "Yes"},
    }
    assert map_ga4(rewritten) == map_ga4(GA4_JSON)


def test_equal_events_of_one_batch_stay_two() -> None:
    """They may share their microsecond."""
    other = {**GA4_JSON, "batch_event_index": "4"}
    assert map_ga4(other).properties != map_ga4(GA4_JSON).properties


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"ecommerce": {"purchase_revenue": 30.0}}, 30.0),
        ({}, 19.9),
        ({"event_params": []}, 21.5),
        ({"event_params": [], "event_value_in_usd": None}, None),
    ],
)
def test_revenue_goes_first_and_dollars_last(changes: dict[str, Any], value: float) -> None:
    """The event's own currency is the business's."""
    assert map_ga4({**GA4_JSON, **changes}).value == value


@pytest.mark.parametrize(
    ("changes", "item"),
    [
        ({"items": []}, None),
        ({"items": [{"item_id": "a"}, {"item_id": "b"}]}, None),
        ({"items": [{"item_id": "(not set)"}]}, None),
        ({"event_params": [param("item_id", string_value="x")]}, "x"),
    ],
)
def test_the_only_item_is_the_events(changes: dict[str, Any], item: str | None) -> None:
    """Of several none is."""
    assert map_ga4({**GA4_JSON, **changes}).item_id == item


@pytest.mark.parametrize(("offset", "later"), [("1500", 1500), (None, 0), (-5, 0), (1e300, 0)])
def test_an_app_says_how_late_it_sent(offset: Any, later: int) -> None:
    """Nothing is received before it happens."""
    event = map_ga4({**GA4_JSON, "event_server_timestamp_offset": offset})
    assert event.received_at == HAPPENED + later


def test_a_visitor_who_refused_cookies_is_nobody() -> None:
    """Google sends such rows without any id."""
    with pytest.raises(RefusedError, match="no user_id or anonymous_id"):
        map_ga4({**GA4_JSON, "user_pseudo_id": None})


def test_a_row_needs_a_time() -> None:
    """The time of the import says nothing about it."""
    with pytest.raises(RefusedError, match="no timestamp"):
        map_ga4({**GA4_JSON, "event_timestamp": None})
