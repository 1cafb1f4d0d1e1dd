"""Rates of a source, a full spool, CORS, and the pages for probes."""

import pytest
from collector_kit import basic, collecting, track

from tidemill.collector.limits import RateLimits, Rates


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """One collector for the tests that leave it as it was."""
    with collecting(tmp_path_factory.mktemp("limits")) as started:
        yield started


def test_a_source_may_burst_and_then_has_its_rate():
    """Five seconds' worth at once; then one second for one second's worth."""
    limits = RateLimits(Rates(requests=2, events=1_000))
    assert [limits.take("a", 1, now=0.0) for _ in range(10)] == [0.0] * 10
    assert limits.take("a", 1, now=0.0) == 0.0, "what is left may be overdrawn once"
    assert limits.take("a", 1, now=0.0) == pytest.approx(0.5)
    assert limits.take("a", 1, now=0.6) == 0.0


def test_a_batch_larger_than_the_bucket_passes_and_is_paid_for():
    """Else it would be told to come back for ever."""
    limits = RateLimits(Rates(requests=1_000, events=10))
    assert limits.take("a", 2_000, now=0.0) == 0.0
    wait = limits.take("a", 1, now=0.0)
    assert wait == pytest.approx(195)
    assert limits.take("a", 1, now=wait) == 0.0


def test_what_is_refused_costs_nothing():
    """A client that comes too early does not put off the time when it may."""
    limits = RateLimits(Rates(requests=1, events=10))
    limits.take("a", 60, now=0.0)
    assert [limits.take("a", 5, now=0.0) for _ in range(3)] == [pytest.approx(1.0)] * 3


def test_sources_do_not_share_a_bucket():
    """One that is loud does not silence another."""
    limits = RateLimits(Rates(requests=1, events=1))
    limits.take("loud", 100, now=0.0)
    assert limits.take("loud", 1, now=0.0) > 0
    assert limits.take("quiet", 1, now=0.0) == 0.0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/batch", lambda key: {"writeKey": key, "batch": [track()]}),
        ("/track", lambda key: {"event": "x", "properties": {"token": key, "distinct_id": "u"}}),
        ("/2/httpapi", lambda key: {"api_key": key, "events": [{"event_type": "x"}]}),
        ("/batch/", lambda key: {"api_key": key, "batch": [{"event": "x", "distinct_id": "u"}]}),
        ("/i", lambda key: {"data": [{"aid": key, "e": "pv"}]}),
    ],
)
def test_too_fast_is_429_with_a_time_to_come_back(tmp_path, path, body):
    """In every API."""
    with collecting(tmp_path, rates=Rates(requests=0.1, events=1_000)) as collector:
        answers = [collector.post(path, body(collector.key)) for _ in range(3)]
    assert [answer.status for answer in answers][-1] == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/batch", lambda key: {"writeKey": key, "batch": [track()]}),
        ("/i", lambda key: {"data": [{"aid": key, "e": "pv", "uid": "u", "p": "web"}]}),
    ],
)
def test_a_full_spool_acknowledges_nothing(tmp_path, path, body):
    """503 with a time to come back, and nothing in the log."""
    with collecting(tmp_path, spool_bytes=10) as collector:
        answer = collector.post(path, body(collector.key))
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert collector.rows("SELECT * FROM events") == []


def test_a_disk_that_refuses_acknowledges_nothing(tmp_path):
    """The folder is gone, and so is the event, and the client knows."""
    with collecting(tmp_path) as collector:
        (tmp_path / "spool").rename(tmp_path / "elsewhere")
        assert collector.segment({"batch": [track()]}).status == 503
        (tmp_path / "elsewhere").rename(tmp_path / "spool")
        assert collector.segment({"batch": [track()]}).status == 200
        assert collector.rows("SELECT user_id FROM events") == [("u0",)]


@pytest.mark.parametrize("path", ["/v1/batch", "/track", "/2/httpapi", "/batch/", "/e/", "/i"])
def test_a_browser_may_ask_and_then_post(collector, path):
    """Any origin, with the headers that it asked for."""
    asked = {
        "Origin": "https://shop.example",
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization,content-type",
    }
    answer = collector.ask("OPTIONS", path, **asked)
    assert answer.status == 200
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    origin = answer.headers["access-control-allow-origin"]
    if path == "/i":  # its trackers send cookies, for which a star will not do
        assert (origin, answer.headers["access-control-allow-credentials"]) == (
            "https://shop.example",
            "true",
        )
    else:
        assert origin == "*"


def test_a_page_can_read_the_refusals_too(collector):
    """Of the app, and of what is refused before it is read."""
    bad = collector.segment("{")
    large = collector.post("/v1/batch", b" " * (21 * 1024 * 1024))
    assert (bad.status, large.status) == (400, 400)
    for answer in (bad, large):
        assert answer.headers["access-control-allow-origin"] == "*"


def test_probes_and_unknown_paths(collector):
    """/health and /ready for the kubelet; 404 elsewhere; 405 for what is no reading."""
    assert collector.ask("GET", "/health").json == {"status": "ok"}
    assert collector.ask("GET", "/ready").json == {"ready": True}
    assert collector.ask("GET", "/v1/other").status == 404
    assert collector.ask("POST", "/metrics").status == 405


def test_metrics_tell_sources_apis_and_outcomes(collector):
    """Events kept and refused, and requests by status."""
    collector.segment({"batch": [track(1), {"type": "track"}]})
    collector.post("/v1/batch", {"batch": [track(1)]}, **basic("wrong"))
    page = collector.ask("GET", "/metrics").body.decode()
    labels = 'source="default",api="segment"'
    assert f'tidemill_collector_events_total{{{labels},outcome="kept"}}' in page
    assert f'tidemill_collector_events_total{{{labels},outcome="refused"}}' in page
    assert 'tidemill_collector_requests_total{api="segment",code="401"}' in page
