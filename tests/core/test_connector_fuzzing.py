"""No JSON, however strange, does anything to a connector but being mapped or refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdk_payloads import (
    AMPLITUDE_EXPORTED,
    GA4_JSON,
    MIXPANEL_EXPORTED,
    SEGMENT_ARCHIVED,
    SENT,
    sent,
)

from tidemill.connectors.amplitude import map_amplitude, map_amplitude_export
from tidemill.connectors.detect import detect_format
from tidemill.connectors.ga4 import map_ga4
from tidemill.connectors.mixpanel import map_engage, map_mixpanel, map_mixpanel_export
from tidemill.connectors.posthog import map_posthog
from tidemill.connectors.segment import map_segment, map_segment_export
from tidemill.connectors.snowplow import map_snowplow
from tidemill.events.mapped import MappedEvent, RefusedError

Connector = Callable[[Any], MappedEvent]

NOW = 1_795_408_800_000_000
CONNECTORS: dict[str, Connector] = {
    "segment": lambda event: map_segment(event, NOW - 5, NOW),
    "mixpanel": lambda event: map_mixpanel(event, NOW),
    "engage": lambda event: map_engage(event, NOW),
    "amplitude": lambda event: map_amplitude(event, NOW, NOW - 5),
    "posthog": lambda event: map_posthog(event, NOW - 5, NOW),
    "snowplow": lambda event: map_snowplow(event, NOW),
    "segment export": map_segment_export,
    "mixpanel export": map_mixpanel_export,
    "amplitude export": map_amplitude_export,
    "ga4": map_ga4,
}
REAL = [
    *(sent(name) for name in SENT),
    *(SEGMENT_ARCHIVED, MIXPANEL_EXPORTED, AMPLITUDE_EXPORTED, GA4_JSON),
]
# Kept from hypothesis, which cannot print it.
NESTED: Any = orjson.loads('{"a":' * 600 + "1" + "}" * 600)
STRANGE: list[Any] = [
    *("", "null", "\x00", "a\x00b", "\ud800", "é", "x" * 40_000, "1e999", "$device:", "=", "{}"),
    *(0, -1, 10**30, -(10**400), 1e308, float("nan"), float("inf"), True, None, [], {}, [[]]),
    *({"\ud800": 1}, [{"key": "\ud800", "value": {"int_value": "9" * 5_000}}]),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(STRANGE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _paths(value: Any) -> list[tuple[Any, ...]]:
    """Where something stands in `value`, at any depth."""
    if isinstance(value, dict):
        steps = list(value.items())
    else:
        steps = list(enumerate(value)) if isinstance(value, list) else []
    return [(step, *rest) for step, inner in steps for rest in [(), *_paths(inner)]]


def _replace(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _replace(value[path[0]], path[1:], new)
    return copy


@st.composite
def broken_events(draw: st.DrawFn) -> Any:
    """Real events with anything in place of some of their parts."""
    event: Any = draw(st.sampled_from(REAL))
    for _ in range(draw(st.integers(1, 3))):
        paths = _paths(event)
        if paths:
            event = _replace(event, draw(st.sampled_from(paths)), draw(JSON))
    return event


def outcome(connector: Connector, event: Any) -> MappedEvent | str:
    try:
        return connector(event)
    except RefusedError as error:
        return str(error)


def check(connector: Connector, event: Any) -> None:
    found = outcome(connector, event)
    assert outcome(connector, event) == found
    if isinstance(found, str):
        assert found
        return
    assert isinstance(found.name, str)
    assert found.user_id or found.anonymous_id
    orjson.dumps([*found])  # what the spool writes; raises for text that is not Unicode
    assert isinstance(orjson.loads(found.properties), dict)
    assert all(time is None or abs(time) < 2**63 for time in (found.timestamp, found.received_at))


@pytest.mark.parametrize("name", CONNECTORS)
@given(event=broken_events() | JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_is_mapped_or_refused(name: str, event: Any) -> None:
    """And the same way every time."""
    check(CONNECTORS[name], event)
    detect_format(event)


@pytest.mark.parametrize("name", CONNECTORS)
def test_anything_in_place_of_any_part_is_mapped_or_refused(name: str) -> None:
    """Each part of each real event, replaced by each strange value."""
    for event in REAL:
        for path, strange in product(_paths(event), (*STRANGE, NESTED)):
            check(CONNECTORS[name], _replace(event, path, strange))
