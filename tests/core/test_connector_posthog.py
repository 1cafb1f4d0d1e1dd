"""PostHog's events become events of the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sdk_payloads import sent

from tidemill.connectors.posthog import map_posthog
from tidemill.events.mapped import MappedEvent, RefusedError, parse_time_us

NOW = 1_795_408_800_000_000


def mapped(event: dict[str, Any]) -> MappedEvent:
    return map_posthog(event, None, NOW)


def test_a_captured_event_keeps_all_but_the_token() -> None:
    """The token says which project it is for, and nothing about the event."""
    properties = sent("posthog capture")["properties"]
    event = mapped(sent("posthog capture", properties={**properties, "token": "phc"}))
    time = parse_time_us("2026-11-23T04:39:11.501888Z")
    assert event.event_id == "206bef18-ee7e-4f6e-aaab-92f7bdda49d0"
    assert event[1:8] == ("Order Completed", "u1", None, "p1", time, NOW, 19.9)
    assert json.loads(event.properties) == properties


@pytest.mark.parametrize(
    "properties",
    [
        {"$process_person_profile": False},
        {"$is_identified": False},
        {"$device_id": "x1"},
        {"distinct_id": "x1", "$device_id": "x1"},
    ],
)
def test_anonymous_events_name_no_user(properties: dict[str, Any]) -> None:
    """Their distinct id is the browser's."""
    event = mapped({"event": "Viewed", "distinct_id": "x1", "properties": properties})
    assert (event.user_id, event.anonymous_id) == (None, "x1")


def test_the_sdk_says_when_nobody_is_known() -> None:
    """It makes up an id for each such event."""
    event = mapped(sent("posthog personless"))
    assert (event.user_id, event.anonymous_id) == (None, "3721ea52-55a9-4d7b-b97a-f566dab119a6")


def test_a_device_of_a_known_user_is_not_joined() -> None:
    """PostHog joins by identify and alias only: browsers are shared."""
    event = mapped({"event": "Viewed", "distinct_id": "u1", "properties": {"$device_id": "d1"}})
    assert (event.user_id, event.anonymous_id) == ("u1", None)


def test_browsers_put_the_distinct_id_among_the_properties() -> None:
    """It counts the same there."""
    assert mapped({"event": "Viewed", "properties": {"distinct_id": "u1"}}).user_id == "u1"


def test_identify_tells_traits_and_who_a_browser_is() -> None:
    """What is not a trait stands under `context`."""
    properties = {"$anon_distinct_id": "a1", "$lib": "web", "$set": {"plan": "pro"}}
    event = mapped(
        {
            "event": "$identify",
            "distinct_id": "u1",
            "properties": properties,
            "$set_once": {"plan": "free", "source": "ad"},
        }
    )
    assert event[1:4] == ("$identify", "u1", "a1")
    context = {"$anon_distinct_id": "a1", "$lib": "web"}
    assert json.loads(event.properties) == {"plan": "pro", "source": "ad", "context": context}


def test_setting_traits_is_identifying() -> None:
    """`$set` is an event of its own."""
    event = mapped(sent("posthog set"))
    assert event[1:4] == ("$identify", "u1", None)
    assert json.loads(event.properties)["plan"] == "pro"


def test_traits_set_along_with_an_event_stay_with_it() -> None:
    """Under PostHog's name."""
    event = mapped(sent("posthog capture", **{"$set": {"plan": "pro"}}))
    assert json.loads(event.properties)["$set"] == {"plan": "pro"}


def test_alias_names_the_previous_id() -> None:
    """The SDK calls the user the alias."""
    event = mapped(sent("posthog alias"))
    assert event[1:4] == ("$alias", "u1", None)
    assert json.loads(event.properties)["previous_id"] == "a1"


def test_a_dangerous_merge_goes_the_other_way() -> None:
    """Its alias ends in the distinct id."""
    properties = {"alias": "a1"}
    event = mapped({"event": "$merge_dangerously", "distinct_id": "u1", "properties": properties})
    assert event.user_id == "u1"
    assert json.loads(event.properties)["previous_id"] == "a1"


@pytest.mark.parametrize("junk", ["null", "", 0, None, []])
def test_an_alias_of_nobody_is_refused(junk: Any) -> None:
    """It would join everyone who ever had a broken id."""
    with pytest.raises(RefusedError, match="no previous_id"):
        mapped({"event": "$create_alias", "distinct_id": junk, "properties": {"alias": "u1"}})


def test_a_description_of_a_group_makes_no_user() -> None:
    """The SDK makes up an id for it."""
    event = mapped(sent("posthog group"))
    assert event[1:4] == ("$group", None, "c89c155d-d54e-4bda-8e24-b81b49156d01")


@pytest.mark.parametrize("skew", [-86_400, 0, 3_600])
def test_a_skewed_clock_is_corrected(skew: int) -> None:
    """What was sent two seconds after it happened, happened two seconds before it arrived."""
    happened = NOW + skew * 1_000_000
    event = sent("posthog capture", timestamp=happened / 1_000_000)
    assert map_posthog(event, happened + 2_000_000, NOW).timestamp == NOW - 2_000_000


@pytest.mark.parametrize(("offset", "ago"), [(1500, 1_500_000), (None, 0), ("x", 0), (True, 0)])
def test_an_event_without_a_time_may_have_an_age(offset: Any, ago: int) -> None:
    """In milliseconds, as browsers send it."""
    assert mapped(sent("posthog capture", timestamp=None, offset=offset)).timestamp == NOW - ago
