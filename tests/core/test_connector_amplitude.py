"""Amplitude's events, live and exported, become events of the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sdk_payloads import AMPLITUDE_EXPORTED, sent

from tidemill.connectors.amplitude import map_amplitude, map_amplitude_export
from tidemill.events.mapped import MappedEvent, RefusedError, parse_time_us

NOW = 1_795_408_800_000_000
HAPPENED = 1795408750082 * 1_000


def mapped(event: dict[str, Any]) -> MappedEvent:
    return map_amplitude(event, NOW, None)


def test_a_tracked_event_keeps_its_properties_and_its_context() -> None:
    """What is no property of the event stands under `context`."""
    event = mapped(sent("amplitude track"))
    assert event[1:8] == ("Order Completed", "u1", "d1", "p1", HAPPENED, NOW, None)
    assert json.loads(event.properties) == {
        "product_id": "p1",
        "context": {"library": "amplitude-python/1.3.0"},
    }


@pytest.mark.parametrize("skew", [-86_400, 0, 3_600])
def test_a_skewed_clock_is_corrected(skew: int) -> None:
    """What was uploaded two seconds after it happened, happened two seconds before it arrived."""
    happened = NOW + skew * 1_000_000
    event = sent("amplitude track", time=happened // 1_000)
    assert map_amplitude(event, NOW, happened + 2_000_000).timestamp == NOW - 2_000_000


def test_an_event_without_a_time_happened_when_it_arrived() -> None:
    """The API allows that."""
    assert mapped(sent("amplitude track", time=None)).timestamp == NOW


def test_an_insert_id_is_a_users_own() -> None:
    """Two users may count from one."""
    ids = {mapped(sent("amplitude track", insert_id="1", user_id=f"u{n}")).event_id for n in (1, 2)}
    assert len(ids - {None}) == 2
    assert mapped(sent("amplitude track", insert_id=None)).event_id is None


def test_an_exported_event_is_the_live_one() -> None:
    """Its time is corrected already, and its arrival is known."""
    exported = map_amplitude_export(AMPLITUDE_EXPORTED)
    assert exported.event_id == mapped(sent("amplitude track")).event_id
    assert exported[1:6] == ("Order Completed", "u1", "d1", "p1", HAPPENED)
    assert exported.received_at == parse_time_us("2026-11-23T04:39:11.09Z")


def test_an_exported_event_without_an_insert_id_has_amplitudes() -> None:
    """Amplitude gives every event one of its own."""
    exported = map_amplitude_export({**AMPLITUDE_EXPORTED, "$insert_id": None})
    assert exported.event_id == AMPLITUDE_EXPORTED["uuid"]


def test_an_exported_event_needs_a_time() -> None:
    """The time of the import says nothing about it."""
    with pytest.raises(RefusedError, match="no timestamp"):
        map_amplitude_export({**AMPLITUDE_EXPORTED, "event_time": "soon"})


def test_identify_tells_traits_and_who_a_device_is() -> None:
    """What is set becomes traits; other changes keep their operator."""
    changes = {"$set": {"plan": "pro"}, "$add": {"n": 1}}
    event = mapped(sent("amplitude identify", user_properties=changes))
    assert event[1:5] == ("$identify", "u1", "d1", None)
    assert json.loads(event.properties) == {
        "plan": "pro",
        "$add": {"n": 1},
        "context": {"library": "amplitude-python/1.3.0"},
    }


def test_revenue_is_price_times_quantity() -> None:
    """As Amplitude counts it."""
    event = mapped(sent("amplitude revenue"))
    assert (event.name, event.item_id, event.value) == ("revenue_amount", "p1", 19.9)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"price": 2.5, "quantity": 2, "revenue": 9.0}, 5.0),
        ({"price": "2.5"}, 2.5),
        ({"revenue": 9}, 9.0),
        ({"revenue": "much"}, None),
        ({"price": 1e308, "quantity": 10}, None),
    ],
)
def test_revenue_may_stand_beside_the_properties(fields: dict[str, Any], value: float) -> None:
    """Price goes first, and what is no finite number is no value."""
    assert mapped(sent("amplitude track", **fields)).value == value


def test_the_product_may_stand_beside_the_properties() -> None:
    """As the revenue may."""
    fields = {"event_properties": {}, "productId": "p7", "revenue": 1}
    assert mapped(sent("amplitude track", **fields)).item_id == "p7"


@pytest.mark.parametrize("junk", ["undefined", "", None, 0, {}])
def test_junk_ids_name_nobody(junk: Any) -> None:
    """Two people with such an id would become one."""
    with pytest.raises(RefusedError, match="no user_id or anonymous_id"):
        mapped(sent("amplitude track", user_id=junk, device_id=junk))
