"""What each API answers: to good requests, to bad ones, and to batches that are both."""

import base64
import json
import time

import pytest
from collector_kit import basic, collecting, track

TP2 = "/com.snowplowanalytics.snowplow/tp2"
BIG = {"text": "x" * 33_000}
"""More than an event may be."""
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def collector(tmp_path):
    """A collector with nothing in it."""
    with collecting(tmp_path) as started:
        yield started


def users(collector):
    return [user for (user,) in collector.rows("SELECT user_id FROM events ORDER BY user_id")]


def dead(collector):
    return collector.rows("SELECT reason, source FROM dead_letters ORDER BY reason")


# Segment and RudderStack


@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias"])
def test_a_segment_call_has_a_path_of_its_own(collector, kind):
    """The path says what it is, the body need not; browsers send the first letter."""
    body = {"event": "opened", "userId": "u1", "groupId": "g1", "previousId": "a1"}
    for path in (f"/v1/{kind}", f"/v1/{kind[0]}"):
        answer = collector.post(path, body, **basic(collector.key))
        assert (answer.status, answer.json) == (200, {"success": True})
    (name,) = {name for (name,) in collector.rows("SELECT name FROM events")}
    assert name == ("opened" if kind == "track" else f"${kind}")


def test_an_oversize_event_is_a_400_of_segments_and_its_siblings_are_kept(collector):
    """The SDK gives the batch up; sent again in despair, it adds nothing."""
    batch = {"batch": [track(0), track(1, properties=BIG), track(2)]}
    for _ in range(2):
        answer = collector.segment(batch)
        assert (answer.status, answer.json["code"]) == (400, "too_large")
        assert "1 of 3 events refused, the others are kept: event 1" in answer.json["message"]
    assert users(collector) == ["u0", "u2"]
    assert {source for _, source in dead(collector)} == {"collector/default"}


def test_what_segment_takes_with_200_and_puts_aside_is_put_aside(collector):
    """An event of nobody is no reason for an error there."""
    answer = collector.segment({"batch": [track(0), track(1, userId="null")]})
    assert answer.status == 200
    assert users(collector) == ["u0"]
    assert len(dead(collector)) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({"batch": {}}, "batch is not a list"),
        ({"batch": [track(n) for n in range(2_501)]}, "2501 events; send at most 2500"),
        ({"batch": [track(n, properties={"t": "x" * 6_000}) for n in range(90)]}, "at most 512000"),
    ],
    ids=["no-json", "a-list", "no-list", "too-many", "too-large"],
)
def test_a_segment_batch_that_is_refused_whole(collector, body, says):
    """400, with the reason."""
    answer = collector.segment(body)
    assert answer.status == 400
    assert says in answer.json["message"]
    assert answer.json["success"] is False


def test_rudderstack_may_send_four_megabytes(collector):
    """Its SDKs fill batches that Segment's would not, and mark their events with a channel."""
    batch = [track(n, channel="server", properties={"t": "x" * 6_000}) for n in range(90)]
    assert collector.segment({"batch": batch}).status == 200
    assert len(users(collector)) == 90


# Mixpanel


def mixpanel(key, number=0, **properties):
    properties = {"token": key, "distinct_id": f"u{number}", "time": int(time.time()), **properties}
    return {"event": "opened", "properties": {"$insert_id": f"i{number}", **properties}}


@pytest.mark.parametrize("encode", [str, lambda text: base64.b64encode(text.encode()).decode()])
@pytest.mark.parametrize(("verbose", "body"), [("0", b"1"), ("1", b'{"status":1,"error":null}')])
def test_mixpanel_reads_forms_plain_and_in_base64(collector, encode, verbose, body):
    """`data` is an event or a list of them; `verbose` asks for JSON."""
    data = encode(json.dumps([mixpanel(collector.key)]))
    form = f"verbose={verbose}&data=" + data.replace("+", "%2B").replace("&", "%26")
    answer = collector.post("/track/", form, Content_Type=FORM)
    assert (answer.status, answer.body) == (200, body)
    assert users(collector) == ["u0"]


def test_a_pixel_of_mixpanels_has_its_data_in_the_query(collector):
    """GET is what emails and old browsers send."""
    data = base64.urlsafe_b64encode(json.dumps(mixpanel(collector.key)).encode()).decode()
    assert collector.ask("GET", f"/track?data={data.rstrip('=')}").body == b"1"
    assert users(collector) == ["u0"]


def test_a_bad_event_alone_is_0_and_among_good_ones_it_is_named(collector):
    """The Python SDK sends a buffer that got 0 again for ever, and nothing after it."""
    bad = mixpanel(collector.key, 1, text="x" * 33_000)
    alone = collector.post("/track?verbose=1", [bad]).json
    assert alone["status"] == 0
    assert "1 of 1 events refused" in alone["error"]
    among = collector.post("/track?verbose=1", [mixpanel(collector.key), bad]).json
    assert among["status"] == 1
    assert "event 1: properties over 32 KB" in among["error"]
    assert users(collector) == ["u0"]


@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson"])
def test_an_import_lists_the_failed_records_and_keeps_the_others(collector, media):
    """400 with index and insert id; `strict=0` asks not to be told."""
    now = int(time.time())
    events = [
        mixpanel(collector.key, 0),
        mixpanel(collector.key, 1, time=now + 7_200),
        mixpanel(collector.key, 2, time=86_400),
        mixpanel(collector.key, 3, **{f"p{n}": n for n in range(255)}),
    ]
    lines = "\n".join(json.dumps(event) for event in events)
    body = json.dumps(events) if media == "application/json" else f"{lines}\nnot json\n"
    answer = collector.post("/import?strict=1", body, Content_Type=media)
    assert answer.status == 400
    assert answer.json["num_records_imported"] == 1
    failed = answer.json["failed_records"]
    assert [record["index"] for record in failed][:3] == [1, 2, 3]
    assert [record["insert_id"] for record in failed][:3] == ["i1", "i2", "i3"]
    assert failed[0]["field"] == failed[1]["field"] == "properties.time"
    assert len(failed) == 3 + (media != "application/json")
    assert users(collector) == ["u0"]
    assert collector.post("/import?strict=0", body, Content_Type=media).status == 200


def test_an_import_that_is_good_is_counted(collector):
    """In the words of the newer API."""
    answer = collector.post("/import?strict=1", [mixpanel(collector.key, n) for n in range(3)])
    assert answer.json == {"code": 200, "num_records_imported": 3, "status": "OK"}


def test_mixpanel_takes_2000_events(collector):
    """One more is a 413 as Mixpanel says it."""
    events = [mixpanel(collector.key)] * 2_001
    assert collector.post("/track", events).status == 413
    answer = collector.post("/import", events)
    assert (answer.status, answer.json["code"]) == (413, 413)


def test_group_profiles_are_put_aside_without_an_error(collector):
    """A group is no user; the sender did nothing wrong."""
    update = {"$token": collector.key, "$group_key": "team", "$group_id": "t1", "$set": {"a": 1}}
    assert collector.post("/groups?verbose=1", [update]).json == {"status": 1, "error": None}
    assert len(dead(collector)) == 1


# Amplitude


def amplitude(number=0, **fields):
    event = {"event_type": "opened", "user_id": f"u{number}", "insert_id": f"i{number}"}
    return {**event, "time": int(time.time() * 1000), **fields}


@pytest.mark.parametrize("path", ["/2/httpapi", "/batch"])
def test_amplitude_counts_what_it_took(collector, path):
    """Its SDKs need the code in the body."""
    events = [amplitude(n) for n in range(3)]
    answer = collector.post(path, {"api_key": collector.key, "events": events})
    assert answer.json["code"] == answer.status == 200
    assert answer.json["events_ingested"] == 3
    assert abs(answer.json["server_upload_time"] / 1000 - time.time()) < 60


def test_amplitude_names_the_bad_events_by_their_index(collector):
    """The SDKs send the others again, which adds nothing: they are kept."""
    events = [
        amplitude(0),
        amplitude(1, event_properties=BIG),
        amplitude(2, event_type=None),
        amplitude(3, user_id=None),
    ]
    answer = collector.post("/2/httpapi", {"api_key": collector.key, "events": events})
    assert answer.json["code"] == answer.status == 400
    assert answer.json["events_with_invalid_fields"] == {"event_properties": [1]}
    assert answer.json["events_with_missing_fields"] == {"event_type": [2], "user_id": [3]}
    collector.post("/2/httpapi", {"api_key": collector.key, "events": events[:1]})
    assert users(collector) == ["u0"]
    assert len(dead(collector)) == 3


def test_amplitudes_limits(collector):
    """2,000 events; 1 MB, or 20 in a batch; and the field that is missing."""
    many = {"api_key": collector.key, "events": [amplitude(n) for n in range(2_001)]}
    assert collector.post("/2/httpapi", many).json["code"] == 413
    large = {"api_key": collector.key, "events": [amplitude(0)], "pad": "x" * 1_100_000}
    assert collector.post("/2/httpapi", large).json["code"] == 413
    assert collector.post("/batch", large).json["code"] == 200
    missing = collector.post("/2/httpapi", {"events": []})
    assert (missing.status, missing.json["missing_field"]) == (400, "api_key")


# PostHog


def posthog(number=0, **properties):
    return {"event": "opened", "distinct_id": f"u{number}", "properties": properties}


@pytest.mark.parametrize("path", ["/batch/", "/batch", "/capture/", "/e/", "/i/v0/e/", "/e"])
def test_posthog_takes_batches_and_single_events_anywhere(collector, path):
    """The content tells /batch from Amplitude's."""
    batch = {"api_key": collector.key, "batch": [posthog(0), posthog(1)]}
    assert collector.post(path, batch).json == {"status": 1}
    assert collector.post(path, {"api_key": collector.key, **posthog(2)}).json == {"status": 1}
    assert users(collector) == ["u0", "u1", "u2"]


def test_a_browser_of_posthogs_posts_a_form_in_base64(collector):
    """`data=`, with a list of events that carry the token."""
    data = base64.b64encode(json.dumps([posthog(0, token=collector.key)]).encode()).decode()
    form = "data=" + data.replace("+", "%2B").replace("=", "%3D")
    answer = collector.post("/e/?compression=base64", form, Content_Type=FORM)
    assert answer.json == {"status": 1}
    assert users(collector) == ["u0"]


@pytest.mark.parametrize(("bad", "status"), [(posthog(1, **BIG), 413), ({"event": "x"}, 400)])
def test_posthog_says_what_is_wrong_and_keeps_the_others(collector, bad, status):
    """The SDKs give the batch up; its good events are here."""
    answer = collector.post("/batch/", {"api_key": collector.key, "batch": [posthog(0), bad]})
    assert answer.status == status
    assert "1 of 2 events refused" in answer.json["detail"]
    assert users(collector) == ["u0"]


# Snowplow


def snowplow(key, number=0, **fields):
    return {"e": "pv", "aid": key, "uid": f"u{number}", "eid": f"e{number}", "p": "web", **fields}


def test_snowplow_takes_posts_and_pixels(collector):
    """`ok` for one, a picture for the other."""
    body = {"schema": "iglu:x", "data": [snowplow(collector.key, n) for n in range(2)]}
    assert collector.post(TP2, body).body == b"ok"
    pixel = collector.ask("GET", f"/i?e=pv&aid={collector.key}&uid=u2&eid=e2&p=web")
    assert pixel.headers["content-type"] == "image/gif"
    assert users(collector) == ["u0", "u1", "u2"]


def test_snowplow_puts_bad_events_aside_and_says_ok(collector):
    """So does Snowplow's collector; its trackers would send them again for ever."""
    body = {"data": [snowplow(collector.key), snowplow(collector.key, 1, co="x" * 40_000), "?"]}
    assert collector.post(TP2, body).status == 200
    assert users(collector) == ["u0"]
    assert len(dead(collector)) == 2


def test_what_snowplow_trackers_must_not_repeat_is_no_413(collector):
    """They retry every status but 400, 401, 403, 410 and 422."""
    body = {"data": [snowplow(collector.key, n, co="x" * 20_000) for n in range(60)]}
    assert collector.post(TP2, body).status == 400
    assert collector.post(TP2, b" " * (21 * 1024 * 1024)).status == 400


# All of them


@pytest.mark.parametrize("path", ["/v1/batch", "/import", "/2/httpapi", "/batch/"])
def test_a_wrong_method_is_told_the_right_one(collector, path):
    """405 with Allow."""
    answer = collector.ask("DELETE", path)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_beacon_is_plain_text(collector):
    """Browsers may send nothing else without asking first."""
    body = json.dumps({"writeKey": collector.key, "batch": [track(0)]})
    assert collector.post("/v1/b", body, Content_Type="text/plain").status == 200
    batch = json.dumps({"api_key": collector.key, "batch": [posthog(1)]})
    assert collector.post("/e/", batch, Content_Type="text/plain").status == 200
    assert users(collector) == ["u0", "u1"]


def test_what_it_was_is_known_from_the_receipts(collector):
    """The source, and how far the client's clock was ahead."""
    sent_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7_200))
    collector.segment({"batch": [track(0)], "sentAt": sent_at})
    ((channel, accepted, offset),) = collector.rows(
        "SELECT channel, accepted, clock_offset FROM receipts"
    )
    assert (channel, accepted) == ("default", 1)
    assert offset == pytest.approx(7_200, abs=5)
