"""Mixpanel's events and profile updates, live and exported, become events of the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sdk_payloads import MIXPANEL_EXPORTED, sent

from tidemill.connectors.mixpanel import map_engage, map_mixpanel, map_mixpanel_export
from tidemill.events.mapped import MappedEvent, RefusedError

NOW = 1_795_408_800_000_000


def with_ids(**ids: Any) -> MappedEvent:
    return map_mixpanel({"event": "Viewed", "properties": {"time": 1700000000, **ids}}, NOW)


def test_a_tracked_event_keeps_all_but_the_token() -> None:
    """The token says which project it is for, and nothing about the event."""
    event = map_mixpanel(sent("mixpanel track"), NOW)
    assert event[1:8] == ("Order Completed", "u1", None, "p1", 1795408749742645, NOW, 19.9)
    properties = sent("mixpanel track")["properties"]
    del properties["token"]
    assert json.loads(event.properties) == properties


@pytest.mark.parametrize(
    ("ids", "who"),
    [
        ({"distinct_id": "u1"}, ("u1", None)),
        ({"distinct_id": "$device:d1"}, (None, "d1")),
        ({"distinct_id": "$device:d1", "$device_id": "d1"}, (None, "d1")),
        ({"distinct_id": "d1", "$device_id": "d1"}, (None, "d1")),
        ({"distinct_id": "u1", "$device_id": "d1"}, ("u1", "d1")),
        ({"distinct_id": "u1", "$device_id": "d1", "$user_id": "u1"}, ("u1", "d1")),
        ({"$device_id": "d1", "$user_id": "u1"}, ("u1", "d1")),
        ({"distinct_id": "u1", "$user_id": "null"}, ("u1", None)),
        ({"distinct_id": 42}, ("42", None)),
    ],
)
def test_devices_are_told_from_users(ids: dict[str, Any], who: tuple[str, str]) -> None:
    """A distinct id is a device's when it says so or equals the device's id."""
    event = with_ids(**ids)
    assert (event.user_id, event.anonymous_id) == who


@pytest.mark.parametrize("junk", ["", "undefined", "$device:", "$device:null", None, [1]])
def test_junk_ids_name_nobody(junk: Any) -> None:
    """Two people with such an id would become one."""
    with pytest.raises(RefusedError, match="no user_id or anonymous_id"):
        with_ids(distinct_id=junk)


@pytest.mark.parametrize("time", [1700000000, 1700000000.0, 1700000000000, "1700000000"])
def test_times_are_seconds_or_milliseconds(time: Any) -> None:
    """SDKs differ, and the sizes tell them apart."""
    assert with_ids(distinct_id="u1", time=time).timestamp == 1700000000 * 1_000_000


def test_an_event_without_a_time_happened_when_it_arrived() -> None:
    """/track allows that."""
    assert with_ids(distinct_id="u1", time=None).timestamp == NOW


def test_the_same_event_sent_again_has_the_same_id() -> None:
    """Also when it arrives later."""
    again = map_mixpanel(sent("mixpanel track"), NOW + 5_000_000)
    assert again.event_id == map_mixpanel(sent("mixpanel track"), NOW).event_id


@pytest.mark.parametrize("field", ["distinct_id", "time", "$insert_id"])
def test_each_part_of_the_key_makes_another_event(field: str) -> None:
    """Mixpanel deduplicates by all of them together."""
    one, other = sent("mixpanel import"), sent("mixpanel import")
    other["properties"][field] = 1700000001
    assert map_mixpanel(one, NOW).event_id != map_mixpanel(other, NOW).event_id


def test_without_an_insert_id_the_content_decides() -> None:
    """Two events of one second may differ in nothing but their properties."""
    assert with_ids(distinct_id="u1").event_id is None


def test_an_exported_event_is_the_live_one() -> None:
    """Exports have whole seconds, and the id that the device's user got later."""
    live = map_mixpanel(sent("mixpanel device"), NOW)
    exported = map_mixpanel_export(MIXPANEL_EXPORTED)
    assert exported.event_id == live.event_id
    assert exported[2:4] == live[2:4] == (None, "d1")
    assert exported.received_at == 1795408760123 * 1_000


@pytest.mark.parametrize("ids", [{"$device_id": "d1"}, {"$device_id": "d1", "$user_id": "u1"}])
def test_an_event_sent_without_a_distinct_id_is_exported_with_one(ids: dict[str, str]) -> None:
    """Mixpanel gives it the user's or the device's."""
    given = {"distinct_id": ids.get("$user_id", "$device:d1")}
    live = with_ids(**ids, **{"$insert_id": "i1"})
    exported = with_ids(**ids, **given, **{"$insert_id": "i1"})
    assert exported.event_id == live.event_id is not None


def test_the_arrival_at_the_api_goes_before_the_processing() -> None:
    """That is when Mixpanel knew."""
    arrived = {"$mp_api_timestamp_ms": 1795408755000}
    properties = {**MIXPANEL_EXPORTED["properties"], **arrived}
    event = map_mixpanel_export({**MIXPANEL_EXPORTED, "properties": properties})
    assert event.received_at == 1795408755000 * 1_000


def test_an_exported_event_needs_a_time() -> None:
    """The time of the import says nothing about it."""
    with pytest.raises(RefusedError, match="no timestamp"):
        map_mixpanel_export({"event": "Viewed", "properties": {"distinct_id": "u1"}})


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("$create_alias", {"distinct_id": "$device:a1", "alias": "u1"}),
        ("$merge", {"$distinct_ids": ["$device:a1", "u1"]}),
        ("$merge", {"$distinct_ids": ["u1", "$device:a1"]}),
        ("$create_alias", sent("mixpanel alias")["properties"]),
        ("$merge", sent("mixpanel merge")["properties"]),
    ],
)
def test_aliases_and_merges_are_aliases(name: str, properties: dict[str, Any]) -> None:
    """A device is never the user, whichever comes first."""
    event = map_mixpanel({"event": name, "properties": properties}, NOW)
    assert (event.name, event.user_id, event.anonymous_id) == ("$alias", "u1", None)
    assert json.loads(event.properties)["previous_id"] == "a1"


@pytest.mark.parametrize("ids", [None, [], ["u1"], ["null", "u1"], ["a", "b", "c"], "u1"])
def test_a_merge_of_anything_but_two_is_refused(ids: Any) -> None:
    """It would join a user with nobody."""
    with pytest.raises(RefusedError, match="no previous_id"):
        map_mixpanel({"event": "$merge", "properties": {"$distinct_ids": ids}}, NOW)


def test_identify_joins_a_device_and_a_user() -> None:
    """Older SDKs send an event of its own for it."""
    properties = {"$identified_id": "u1", "$anon_id": "d1", "distinct_id": "u1", "value": 5}
    event = map_mixpanel({"event": "$identify", "properties": properties}, NOW)
    assert event[1:4] == ("$identify", "u1", "d1")
    assert event.value is None


def test_a_profile_update_is_an_identify_event() -> None:
    """What is set becomes traits."""
    event = map_engage(sent("mixpanel set"), NOW)
    assert event == MappedEvent(
        None, "$identify", "u1", None, None, 1795408749756049, NOW, None, '{"$name":"Ann"}'
    )


def test_other_changes_of_a_profile_keep_their_operator() -> None:
    """An increment is not the value."""
    assert map_engage(sent("mixpanel add"), NOW).properties == '{"$add":{"n":1}}'


def test_a_trait_set_beats_the_one_set_once() -> None:
    """The latter holds only where nothing is set."""
    update = sent("mixpanel set", **{"$set_once": {"$name": "Bob", "x": 1}})
    assert json.loads(map_engage(update, NOW).properties) == {"$name": "Ann", "x": 1}
