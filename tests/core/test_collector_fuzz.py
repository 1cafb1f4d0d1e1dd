"""Whatever is sent: an answer, never a 5xx but for want of room, and good events are not lost."""

import gzip
import json
import socket

import pytest
from collector_kit import ask, collecting, track
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.collector.app import ROUTES

PATHS = [*ROUTES, "/health", "/metrics", "/", "/v1"]
METHODS = ["POST", "GET", "PUT", "OPTIONS", "HEAD", "DELETE", "PATCH"]
MEDIA = [
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "",
]
ENCODINGS = ["", "gzip", "identity", "br", "GZIP"]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["null", "1e400", "2024-01-01T00:00:00Z", "$device:x", "eyJhIjoxfQ=="])
)
names = st.text(max_size=5) | st.sampled_from(
    [
        *("batch", "events", "data", "event", "type", "userId", "anonymousId", "messageId"),
        *("properties", "traits", "context", "timestamp", "sentAt", "sent_at", "time", "token"),
        *("event_type", "user_id", "user_properties", "insert_id", "distinct_id", "$set", "uuid"),
        *("$distinct_ids", "$token", "$distinct_id", "e", "uid", "eid", "dtm", "stm", "ue_pr"),
        *("ue_px", "co", "cx", "previousId", "groupId", "client_upload_time", "offset"),
    ]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
    max_leaves=25,
)
TEMPLATES = [
    {"type": "track", "event": "x", "userId": "u"},
    {"event": "x", "properties": {"distinct_id": "u", "time": 1_700_000_000}},
    {"event_type": "x", "user_id": "u", "time": 1_700_000_000_000},
    {"event": "$identify", "distinct_id": "u", "properties": {"$anon_distinct_id": "a"}},
    {"e": "ue", "uid": "u", "ue_pr": "{}", "dtm": "1700000000000"},
    {"$distinct_id": "u", "$set": {}},
]


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """One collector for all examples."""
    with collecting(tmp_path_factory.mktemp("fuzz")) as started:
        yield started


@st.composite
def vendor_events(draw):
    """Something near to an event: a good one with some fields replaced by anything."""
    event = dict(draw(st.sampled_from(TEMPLATES)))
    for name in draw(st.lists(names, max_size=4)):
        event[name] = draw(values)
    return event


fuzz = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzz
@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(METHODS),
    query=st.text("abcdefghij=&%+?_0123456789", max_size=30),
    body=st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()),
    media=st.sampled_from(MEDIA),
    encoding=st.sampled_from(ENCODINGS),
    authorization=st.sampled_from(["", "Basic", "Basic =", "Basic \x00", "Basic 4pyT", "Bearer x"]),
)
def test_any_request_is_answered(
    collector, path, method, query, body, media, encoding, authorization
):
    """With or without sense."""
    headers = {
        "Content-Type": media,
        "Content-Encoding": encoding,
        "Authorization": authorization,
    }
    if encoding == "gzip" and body[:1] < b"\x80":
        body = gzip.compress(body)
    answer = ask(collector.port, method, f"{path}?{query}", body, headers)
    assert 200 <= answer.status < 500


@fuzz
@given(path=st.sampled_from(list(ROUTES)), events=st.lists(vendor_events(), max_size=4))
def test_any_event_under_a_good_key_is_kept_or_put_aside(collector, path, events):
    """No event takes its siblings along: the good one in their midst is always there."""
    key = collector.key
    good = {
        **track(7),
        **{"event_type": "x", "user_id": "good", "distinct_id": "good", "insert_id": "good"},
        **{"e": "pv", "aid": key, "uid": "good", "eid": "good", "p": "web", "uuid": "good"},
        **{"$token": key, "$distinct_id": "good", "$set": {"a": 1}},
        "properties": {"token": key, "distinct_id": "good", "time": 1_700_000_000},
    }
    for event in events:
        event.pop("writeKey", None)
        if isinstance(event.get("properties"), dict):
            event["properties"].pop("token", None)
        event.pop("$token", None)
    mixed = [*events[:2], good, *events[2:]]
    body = {"writeKey": key, "api_key": key, "batch": mixed, "data": mixed, "events": mixed}
    if path in ("/track", "/engage", "/groups", "/import"):
        body = mixed
    before = collector.spool.waiting().bytes
    answer = collector.post(path, body)
    assert 200 <= answer.status < 500
    if answer.status != 401:
        assert collector.spool.waiting().bytes > before or path == "/groups"


@fuzz
@given(data=st.binary(max_size=300))
def test_any_bytes_on_the_wire_are_answered_or_cut_off(collector, data):
    """No bytes make the edge hang once the client has said that it is done."""
    with socket.create_connection(("127.0.0.1", collector.port), timeout=5) as wire:
        wire.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\n" + data)
        wire.shutdown(socket.SHUT_WR)
        said = b""
        while block := wire.recv(65_536):
            said += block
    assert not said.startswith(b"HTTP/1.1 5")


def test_after_all_that_it_works(collector):
    """The same process, a plain event, and no log of failures."""
    assert collector.segment({"batch": [track(12_345)]}).status == 200
    assert collector.rows("SELECT count(*) FROM events WHERE user_id = 'u12345'") == [(1,)]
    assert (
        collector.rows("SELECT raw FROM dead_letters WHERE reason = 'the event cannot be read'")
        == []
    )
    assert collector.edge.bodies.held == 0
    assert collector.edge.in_flight == 0
