"""Segment's and RudderStack's calls, live and archived, become events of the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sdk_payloads import SEGMENT_ARCHIVED, SEGMENT_BROWSER, sent

from tidemill.connectors.segment import map_segment, map_segment_export
from tidemill.events.mapped import MappedEvent, RefusedError, parse_time_us

NOW = 1_795_408_800_000_000
SECOND = 1_000_000
LIBRARY = {"library": {"name": "analytics-python", "version": "2.4.0"}}


def mapped(message: dict[str, Any]) -> MappedEvent:
    return map_segment(message, None, NOW)


def properties(message: dict[str, Any]) -> Any:
    return json.loads(mapped(message).properties)


def reason(message: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        mapped(message)
    return str(refused.value)


def test_a_tracked_event_keeps_all_it_was_sent_with() -> None:
    """Item and value are also columns; the context stands under its own name."""
    event = mapped(sent("segment track"))
    assert event == MappedEvent(
        event_id="01650a8b-40c3-42e4-91c9-001a37cbe78e",
        name="Order Completed",
        user_id="u1",
        anonymous_id=None,
        item_id="p1",
        timestamp=parse_time_us("2026-11-23T04:39:08.996Z"),
        received_at=NOW,
        value=19.9,
        properties=event.properties,
    )
    assert json.loads(event.properties) == {
        **sent("segment track")["properties"],
        "context": LIBRARY,
    }


def test_a_call_to_track_need_not_say_its_type() -> None:
    """The address it is sent to does."""
    assert mapped(sent("segment track", type=None)) == mapped(sent("segment track"))


def test_properties_have_sorted_keys() -> None:
    """The log compares properties as text."""
    text = mapped(sent("segment track")).properties
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("skew", [-86_400, 0, 3_600])
def test_a_skewed_clock_is_corrected(skew: int) -> None:
    """What was sent two seconds after it happened, happened two seconds before it arrived."""
    happened = NOW + skew * SECOND
    message = sent("segment track", timestamp=happened / SECOND)
    assert map_segment(message, happened + 2 * SECOND, NOW).timestamp == NOW - 2 * SECOND


def test_the_original_time_goes_before_the_time() -> None:
    """A client that sends both has corrected the latter in its own way."""
    message = {**SEGMENT_BROWSER, "timestamp": "2020-01-01T00:00:00Z"}
    assert mapped(message).timestamp == parse_time_us("2026-03-01T12:00:00Z")


def test_a_call_may_say_itself_when_it_was_sent() -> None:
    """So do calls that come without a batch."""
    message = {**SEGMENT_BROWSER, "sentAt": "2026-03-01T12:00:03Z"}
    assert mapped(message).timestamp == NOW - 3 * SECOND


def test_a_call_without_a_time_happened_when_it_arrived() -> None:
    """As Segment has it."""
    assert mapped(sent("segment track", timestamp=None)).timestamp == NOW


def test_an_unreadable_time_is_no_time() -> None:
    """It must not pass for the time of arrival."""
    assert mapped(sent("segment track", timestamp="yesterday")).timestamp is None


@pytest.mark.parametrize("vendor", ["segment", "rudderstack"])
def test_identify_tells_traits_and_who_a_device_is(vendor: str) -> None:
    """RudderStack's SDK sends the traits in the context."""
    event = mapped(sent(f"{vendor} identify"))
    assert event[1:5] == ("$identify", "u1", "a1", None)
    assert json.loads(event.properties)["plan"] == "pro"


def test_alias_names_the_previous_id() -> None:
    """The two are one person from then on."""
    event = mapped(sent("segment alias"))
    assert (event.name, event.user_id) == ("$alias", "u1")
    assert json.loads(event.properties) == {"previous_id": "a1", "context": LIBRARY}


@pytest.mark.parametrize("previous", ["null", None, "", "0000-0000", {"id": 1}])
def test_an_alias_of_nobody_is_refused(previous: Any) -> None:
    """It would join everyone who ever had a broken id."""
    assert reason(sent("segment alias", previousId=previous)) == "no previous_id"


def test_a_page_keeps_its_name_and_category() -> None:
    """They are fields of the call, beside its properties."""
    page = {"name": "Start", "category": "Docs", "url": "/start", "context": LIBRARY}
    assert mapped(sent("segment page")).name == "$page"
    assert properties(sent("segment page")) == page


def test_a_group_call_keeps_the_group_and_its_traits() -> None:
    """`group_id` is the group's."""
    assert mapped(sent("segment group")).name == "$group"
    assert properties(sent("segment group"))["group_id"] == "g1"
    assert properties(sent("segment group"))["name"] == "Acme"


def test_a_property_named_context_wins() -> None:
    """Nothing that a user sent is overwritten."""
    assert properties(sent("segment track", properties={"context": "mine"})) == {"context": "mine"}


@pytest.mark.parametrize("junk", ["null", "undefined", "anonymous", "0", "[object Object]", {}])
def test_junk_ids_name_nobody(junk: Any) -> None:
    """Two people with such an id would become one."""
    assert reason(sent("segment track", userId=junk, anonymousId=junk)) == (
        "no user_id or anonymous_id"
    )


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("text", "not a JSON object"),
        (sent("segment track", event=" "), "no name"),
        (sent("segment track", event={"a": 1}), "no name"),
        (sent("segment track", type="sing"), "unknown type of call"),
        (sent("segment track", properties=[1]), "properties are not a JSON object"),
        (sent("segment track", properties={"a": "x" * 33_000}), "properties over 32 KB"),
    ],
)
def test_what_is_no_event_is_refused(message: Any, why: str) -> None:
    """The reason is what the dead letter will say."""
    assert reason(message) == why


def test_an_archived_call_is_the_live_one() -> None:
    """Whoever imports the archive of what was collected counts nothing twice."""
    archived = map_segment_export(SEGMENT_ARCHIVED)
    live = map_segment(SEGMENT_BROWSER, parse_time_us("2026-03-01T12:00:01Z"), archived.received_at)
    assert archived == live
    assert archived.received_at == parse_time_us("2026-03-01T12:00:06Z")


def test_an_archived_call_without_any_time_is_refused() -> None:
    """The time of the import says nothing about it."""
    with pytest.raises(RefusedError, match="no timestamp"):
        map_segment_export({**SEGMENT_ARCHIVED, "timestamp": None, "receivedAt": None})
