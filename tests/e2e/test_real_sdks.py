"""The SDKs people already use, unmodified, against a real `tidemill collect` on loopback."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collector_kit import Process
from real_sdks import EVENT, SDKS, Seen, recording

from tidemill.collector.sources import SourceFile

DOCS = Path(__file__).parents[2] / "docs" / "collecting.md"
COUNT = 130
"""More than any SDK puts into one request."""
OVERSIZE = {f"p{number}": "x" * 340 for number in range(100)}
"""About 35 KB, in pieces that no SDK cuts off."""
AHEAD = 7_200.0


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """A collector process with a source for each SDK."""
    home = tmp_path_factory.mktemp("sdks")
    file = SourceFile(home / "collector" / "sources.json")
    started = Process(home, ["--drain-seconds", "0.1"])
    started.keys = {name: file.add(name) for name in (*SDKS, "docs")}
    yield started.start()
    started.kill()


def rows_of(collector, users, count):
    """(user, timestamp, received_at, properties) of events of these users, once `count` are in."""
    query = (
        "SELECT user_id, timestamp, received_at, properties FROM events "
        "WHERE starts_with(user_id, ?) ORDER BY user_id"
    )
    collector.wait_for(
        lambda: len(collector.log().execute(query, [users]).fetchall()) >= count, seconds=20
    )
    settle(collector)
    return collector.log().execute(query, [users]).fetchall()


def settle(collector):
    """Wait until nothing is left in the spool."""
    spool = collector.root / "collector" / "spool"
    collector.wait_for(lambda: not [path for path in spool.rglob("*") if is_segment(path)])


def is_segment(path):
    return path.is_file() and path.stat().st_size > 0


@pytest.mark.parametrize("name", SDKS)
def test_everything_sent_arrives_once_and_a_replay_adds_nothing(collector, name):
    """The right users, times and properties; then the same requests again."""
    users = f"{name}-exact-"
    events = [(f"{users}{n:03}", {"position": n, "sku": f"s{n}"}) for n in range(COUNT)]
    began = datetime.now(UTC) - timedelta(seconds=2)
    with recording(collector.port) as tape:
        SDKS[name].send(tape.url, collector.keys[name], events, seen := Seen())
    assert seen.errors == []
    rows = rows_of(collector, users, COUNT)
    assert [row[0] for row in rows] == [user for user, _ in events]
    assert [json.loads(row[3])["position"] for row in rows] == list(range(COUNT))
    assert all(began <= row[1] <= datetime.now(UTC) for row in rows)
    assert set(tape.play(collector.port)) == {200}
    assert len(rows_of(collector, users, COUNT)) == COUNT


@pytest.mark.parametrize("name", SDKS)
def test_a_clock_that_is_ahead_is_corrected_where_the_sdk_tells_its_time(
    collector, name, monkeypatch
):
    """Two hours; the SDK's clock is moved inside this process. Else it is trusted, and known late.

    Mixpanel's and Amplitude's Python SDKs do not say when they send.
    """
    users = f"{name}-skewed-"
    sdk = SDKS[name]
    began = datetime.now(UTC)
    with monkeypatch.context() as patch:
        sdk.set_clock(patch, AHEAD)
        sdk.send(collector.url, collector.keys[name], [(f"{users}1", {"a": 1})], Seen())
    ((_, timestamp, received_at, _),) = rows_of(collector, users, 1)
    late = (timestamp - began).total_seconds()
    assert late == pytest.approx(0.0 if sdk.corrects else AHEAD, abs=5.0)
    assert (received_at - began).total_seconds() == pytest.approx(0.0, abs=5.0)


@pytest.mark.parametrize("name", [name for name in SDKS if name != "segment"])
def test_an_oversize_event_gets_the_apis_own_error_and_its_siblings_are_kept(collector, name):
    """What each SDK hears about it, and that nothing is sent again for ever."""
    users = f"{name}-oversize-"
    events = [(f"{users}{n}", {"position": n}) for n in range(4)]
    events[2] = (f"{users}2", OVERSIZE)
    with recording(collector.port) as tape:
        SDKS[name].send(tape.url, collector.keys[name], events, seen := Seen())
    kept = [row[0] for row in rows_of(collector, users, 3)]
    assert kept == [f"{users}{n}" for n in (0, 1, 3)]
    assert 1 <= len(tape.requests) <= 2
    check_what_it_heard(name, tape.answers[0], seen, users)
    assert dead_letters(collector, f"{users}2") >= 1


def check_what_it_heard(name, answer, seen, users):
    match name:
        case "rudderstack":
            assert (answer.status, answer.json["code"]) == (400, "too_large")
            assert [error.status for error in seen.errors] == [400]
        case "mixpanel":
            assert answer.json["status"] == 1
            assert "event 2: properties over 32 KB" in answer.json["error"]
        case "amplitude":
            assert answer.json["events_with_invalid_fields"] == {"event_properties": [2]}
            assert seen.errors == [(f"{users}2", 400)]
            assert len(seen.done) == 3
        case "posthog":
            assert answer.status == 413
            assert [error.status for error in seen.errors] == [413]
        case "snowplow":
            assert answer.status == 200
            assert (len(seen.done), seen.errors) == (4, [])


def dead_letters(collector, text):
    query = "SELECT count(*) FROM dead_letters WHERE contains(raw, ?)"
    return collector.log().execute(query, [text]).fetchone()[0]


def test_segments_sdk_hears_of_an_oversize_event_that_its_queue_let_pass(collector):
    """Its queue drops events over 32 KB; its function for posting does not."""
    from segment.analytics.request import APIError, post

    users = "segment-oversize-"
    batch = [
        {"type": "track", "event": EVENT, "userId": f"{users}{n}", "messageId": f"{users}{n}"}
        for n in range(3)
    ]
    batch[1]["properties"] = OVERSIZE
    for _ in range(2):
        with pytest.raises(APIError) as caught:
            post(collector.keys["segment"], collector.url, batch=batch)
        assert (caught.value.status, caught.value.code) == (400, "too_large")
    assert [row[0] for row in rows_of(collector, users, 2)] == [f"{users}0", f"{users}2"]
    assert dead_letters(collector, f"{users}1") >= 1


def test_mixpanels_sdk_without_a_buffer_raises_for_the_one_event(collector):
    """Status 0 becomes its exception."""
    from mixpanel import Consumer, Mixpanel, MixpanelException

    tracker = Mixpanel(collector.keys["mixpanel"], Consumer(events_url=f"{collector.url}/track"))
    with pytest.raises(MixpanelException, match="properties over 32 KB"):
        tracker.track("mixpanel-alone-1", EVENT, OVERSIZE)


def test_mixpanels_imports_and_profiles(collector):
    """import_data keeps the old time; people_set makes an identify event."""
    from mixpanel import Consumer, Mixpanel

    consumer = Consumer(
        people_url=f"{collector.url}/engage",
        import_url=f"{collector.url}/import",
        groups_url=f"{collector.url}/groups",
    )
    tracker = Mixpanel(collector.keys["mixpanel"], consumer)
    tracker.import_data(None, "mixpanel-old-1", EVENT, 1_500_000_000, {"a": 1})
    tracker.people_set("mixpanel-people-1", {"plan": "gold"})
    tracker.group_set("team", "t1", {"size": 3})
    ((_, timestamp, _, _),) = rows_of(collector, "mixpanel-old-", 1)
    assert timestamp == datetime.fromtimestamp(1_500_000_000, UTC)
    ((_, _, _, properties),) = rows_of(collector, "mixpanel-people-", 1)
    assert json.loads(properties)["plan"] == "gold"


def test_a_rate_limit_is_waited_out_and_nothing_is_lost(tmp_path):
    """Segment's SDK holds a batch back for as long as Retry-After says."""
    limits = ["--requests-per-second", "0.3", "--drain-seconds", "0.1"]
    collector = Process(tmp_path, limits).start()
    seen = Seen()
    try:
        with recording(collector.port) as tape:
            for n in range(4):
                SDKS["segment"].send(tape.url, collector.key, [(f"slow-{n}", {})], seen)
        assert {answer.status for answer in tape.answers} == {200, 429}
        assert seen.errors == []
        assert len(rows_of(collector, "slow-", 4)) == 4
    finally:
        collector.kill()


def test_a_collector_that_is_stopped_has_everything_in_the_log(tmp_path):
    """SIGTERM: what was acknowledged a moment ago is there when the process ends."""
    collector = Process(tmp_path, ["--drain-seconds", "30"]).start()
    events = [(f"last-{n:03}", {}) for n in range(50)]
    SDKS["segment"].send(collector.url, collector.key, events, Seen())
    began = time.monotonic()
    assert collector.stop() == 0
    assert time.monotonic() - began < 20
    assert collector.log().execute("SELECT count(*) FROM events").fetchone() == (50,)


def test_a_new_source_may_send_without_a_restart(collector):
    """Within a second or so; and no more once it is removed."""
    file = SourceFile(collector.root / "collector" / "sources.json")
    key = file.add("late")
    time.sleep(2.5)
    SDKS["segment"].send(collector.url, key, [("late-1", {})], seen := Seen())
    assert seen.errors == []
    file.remove("late")
    time.sleep(2.5)
    SDKS["segment"].send(collector.url, key, [("late-2", {})], seen := Seen())
    assert [error.status for error in seen.errors] == [401]
    assert [row[0] for row in rows_of(collector, "late-", 1)] == ["late-1"]


def snippets():
    """The Python of the page, by the heading above it."""
    parts = DOCS.read_text().split("\n### ")[1:]
    found = {part.split("\n")[0]: part.split("```python\n") for part in parts}
    return {name: blocks[1].split("```")[0] for name, blocks in found.items() if len(blocks) == 2}


def test_the_page_has_a_snippet_for_every_sdk():
    assert [name.split()[0].lower() for name in snippets()] == list(SDKS)


@pytest.mark.parametrize("name", snippets())
def test_a_snippet_of_the_page_delivers_its_event(collector, name):
    """As it stands, but for the address and the key."""
    code = snippets()[name].replace("http://127.0.0.1:8070", collector.url)
    user = f"docs-{name.split()[0].lower()}"
    code = code.replace("WRITE_KEY", collector.keys["docs"]).replace("user-1", user)
    exec(compile(code, name, "exec"), {})  # noqa: S102  # the page's own code
    (row,) = rows_of(collector, user, 1)
    assert json.loads(row[3])["product_id"] == "42"
