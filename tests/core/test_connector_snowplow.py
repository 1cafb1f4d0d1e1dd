"""Snowplow's tracker protocol becomes events of the log."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from sdk_payloads import sent

from tidemill.connectors.snowplow import map_snowplow
from tidemill.events.mapped import MappedEvent, RefusedError

NOW = 1_795_408_800_000_000


def mapped(name: str, **changes: Any) -> MappedEvent:
    return map_snowplow(sent(f"snowplow {name}", **changes), NOW)


def reason(name: str, **changes: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        mapped(name, **changes)
    return str(refused.value)


@pytest.mark.parametrize(
    ("kind", "name", "item", "value"),
    [
        ("page view", "$page", None, None),
        ("structured", "add-to-basket", None, 2.0),
        ("self describing", "product_viewed", "p1", 19.9),
        ("transaction", "transaction", None, 20.5),
        ("item", "transaction_item", "p1", 10.25),
    ],
)
def test_every_kind_of_event_has_a_name(kind: str, name: str, item: str, value: float) -> None:
    """A schema's, an action's, or the protocol's."""
    event = mapped(kind)
    assert event[1:5] == (name, "u1", "d1", item)
    assert (event.event_id, event.value) == (sent(f"snowplow {kind}")["eid"], value)


def test_self_describing_data_become_the_properties() -> None:
    """Beside the contexts that came with them, and what the tracker knows."""
    tracker = {"aid": "shop", "p": "pc", "tna": "ns", "tv": "py-1.1.0"}
    contexts = [{"schema": "iglu:com.acme/user/jsonschema/1-0-0", "data": {"plan": "pro"}}]
    assert json.loads(mapped("self describing").properties) == {
        "product_id": "p1",
        "price": "19.90",
        "contexts": contexts,
        "context": tracker,
    }


def test_base64_and_plain_json_say_the_same() -> None:
    """A tracker's option decides which is sent."""
    assert mapped("plain").properties == mapped("self describing").properties


def test_base64_may_lack_its_padding() -> None:
    """Trackers for browsers leave it out."""
    padded = sent("snowplow self describing")["cx"]
    assert padded.endswith("=")
    assert mapped("self describing", cx=padded.rstrip("=")) == mapped("self describing")


@pytest.mark.parametrize(("sent_after", "ago"), [(2_000, 2_000_000), (0, 0), (-816, 0)])
def test_a_skewed_clock_is_corrected(sent_after: int, ago: int) -> None:
    """This SDK rounds the sending time down to whole seconds; nothing is sent before it happens."""
    happened = 1_500_000_000_816
    event = mapped("page view", dtm=str(happened), stm=str(happened + sent_after))
    assert event.timestamp == NOW - ago


def test_epoch_text_is_never_taken_for_a_date() -> None:
    """1712-01-11T23:45 is written with the same digits."""
    payload = sent("snowplow page view", dtm="1712011112345")
    del payload["stm"]
    assert map_snowplow(payload, NOW).timestamp == 1712011112345 * 1_000


def test_a_true_time_is_not_corrected() -> None:
    """The program knew it, whatever the device's clock says."""
    assert mapped("item", ttm="1500000000000").timestamp == 1500000000000 * 1_000


def test_data_named_like_ours_win() -> None:
    """Nothing that a user sent is overwritten."""
    data = {"contexts": "mine", "context": "too"}
    wrapper = {"data": {"schema": "iglu:x/y/jsonschema/1-0-0", "data": data}}
    assert json.loads(mapped("plain", ue_pr=json.dumps(wrapper)).properties) == data


def test_without_a_browsers_id_the_networks_counts() -> None:
    """Either is a device's."""
    assert mapped("page view", duid="", tnuid="n1").anonymous_id == "n1"


def test_an_app_is_known_by_its_session() -> None:
    """Mobile trackers send no other id of a device."""
    session = {"schema": "iglu:x/client_session/jsonschema/1-0-2", "data": {"userId": "d7"}}
    event = mapped("plain", uid=None, duid=None, co=json.dumps({"data": [session]}))
    assert (event.user_id, event.anonymous_id) == (None, "d7")


@pytest.mark.parametrize("junk", ["undefined", "", "00000000-0000-0000-0000-000000000000"])
def test_junk_ids_name_nobody(junk: str) -> None:
    """Two people with such an id would become one."""
    assert reason("page view", uid=junk, duid=junk) == "no user_id or anonymous_id"


@pytest.mark.parametrize("kind", ["", "xx", None, 7, ["pv"]])
def test_an_unknown_kind_has_no_name(kind: Any) -> None:
    """The protocol names six."""
    assert reason("page view", e=kind) == "no name"


@pytest.mark.parametrize("schema", ["product_viewed", "iglu:a/b", None, 3])
def test_an_unknown_schema_has_no_name(schema: Any) -> None:
    """Schemas are named iglu:vendor/name/format/version."""
    wrapper = {"data": {"schema": schema, "data": {}}}
    assert reason("plain", ue_pr=json.dumps(wrapper)) == "no name"


@pytest.mark.parametrize("text", ["{", 5, urlsafe_b64encode(b"\xff\xfe").decode(), "é", "A"])
def test_unreadable_json_is_refused(text: Any) -> None:
    """Half an event would look like a whole one."""
    assert reason("self describing", cx=text) == "unreadable self-describing JSON"
    assert reason("self describing", ue_px=text) == "unreadable self-describing JSON"
