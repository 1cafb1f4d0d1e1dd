"""Bodies that are compressed, broken or hostile: refused at a small price."""

import gzip
import json
import time
import tracemalloc

import psutil
import pytest
from collector_kit import Process, ask, basic, bomb, collecting, track

from tidemill.collector.bodies import (
    UNREADABLE,
    BodyError,
    inflate,
    load_json,
    load_lines,
    plain_or_base64,
)
from tidemill.events import EventLog
from tidemill.home import Home

MB = 1024 * 1024


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """One collector for all tests here."""
    with collecting(tmp_path_factory.mktemp("bodies")) as started:
        yield started


def test_gzip_stops_at_the_limit():
    """A gigabyte of blanks costs no more than the limit."""
    blanks = bomb(300)
    tracemalloc.start()
    with pytest.raises(BodyError) as caught:
        inflate(blanks, "gzip", limit=MB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.status == 413
    assert peak < 3 * MB


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"{}", "gzip", 400),
        (gzip.compress(b"{}")[:-6], "gzip", 400),
        (gzip.compress(b"x" * 999)[:12] + b"junk", "gzip", 400),
        (b"{}", "br", 415),
        (b"{}", "x" * 10_000, 415),
        (b"x" * 11, "", 413),
    ],
    ids=["no-gzip", "cut", "damaged", "other", "long", "large"],
)
def test_encodings_that_do_not_hold_what_they_promise(body, encoding, status):
    """The status says whose fault it is; the message is short."""
    with pytest.raises(BodyError) as caught:
        inflate(body, encoding, limit=10)
    assert caught.value.status == status
    assert len(caught.value.message) < 120


def test_gzip_is_known_without_being_announced():
    """Browsers of PostHog say it in the query, or not at all."""
    assert inflate(gzip.compress(b"{}"), "", 100) == b"{}"


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" + b"{}," * 1_100_000 + b"{}]",
        b"[" + b"0," * 1_100_000 + b"0]",
        b'"\xff\xfe"',
        b'["\\ud800", nan]',
        b'{"\\ud800":' * 50_000 + b"1" + b"}" * 50_000,
        b"nan",
        b"",
    ],
    ids=[
        "deep",
        "deep-objects",
        "objects",
        "numbers",
        "utf-8",
        "nan-too",
        "deep-too",
        "nan",
        "nothing",
    ],
)
def test_json_that_is_not_worth_reading(text):
    """Refused in milliseconds, whatever it would become."""
    began = time.perf_counter()
    with pytest.raises(BodyError):
        load_json(text)
    assert time.perf_counter() - began < 0.5


def test_what_is_no_number_is_null():
    """Python's JSON writes NaN and Infinity; the other events of the batch must not pay for it."""
    assert load_json(b'[{"a": NaN, "b": -Infinity}, {"a": 1}]') == [
        {"a": None, "b": None},
        {"a": 1},
    ]


def test_lines_are_counted_before_they_are_read():
    """Ten megabytes of empty objects are not turned into millions of them."""
    with pytest.raises(BodyError) as caught:
        load_lines(b"1\n" * 5_000_000, most=2_000)
    assert caught.value.status == 413
    assert load_lines(b'{"a":1}\n\nno\n2\n', most=4) == [{"a": 1}, UNREADABLE, 2]


def test_base64_of_browsers():
    """With the alphabet of URLs, without padding, and with plus signs that became spaces."""
    assert plain_or_base64("eyJhIjoiPz8_In0") == b'{"a":"???"}'
    assert plain_or_base64("eyJhIjoiPj4 In0=") == b'{"a":">>>"}'
    assert plain_or_base64(' [{"a":1}]') == b' [{"a":1}]'
    with pytest.raises(BodyError):
        plain_or_base64("%%%")


def test_every_api_reads_gzip(collector):
    """Announced by content-encoding, or by PostHog's parameter."""
    key = collector.key
    bodies = {
        "/v1/batch": {"writeKey": key, "batch": [track()]},
        "/import": [{"event": "x", "properties": {"token": key, "distinct_id": "u", "time": 1e9}}],
        "/2/httpapi": {"api_key": key, "events": [{"event_type": "x", "user_id": "u"}]},
        "/batch/": {"api_key": key, "batch": [{"event": "x", "distinct_id": "u"}]},
        "/i": {"data": [{"aid": key, "e": "pv", "uid": "u", "p": "web"}]},
    }
    for path, body in bodies.items():
        packed = gzip.compress(json.dumps(body).encode())
        assert collector.post(path, packed, Content_Encoding="gzip").status == 200, path
    packed = gzip.compress(json.dumps(bodies["/batch/"]).encode())
    assert collector.post("/e/?compression=gzip-js", packed).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/batch", 400),
        ("/import", 413),
        ("/2/httpapi", 413),
        ("/batch", 413),
        ("/batch/", 413),
        ("/i", 400),
    ],
)
def test_a_bomb_is_too_large_in_every_api(collector, path, status):
    """In the status that the API has for it, or, where clients would repeat that, 400."""
    answer = collector.post(path, bomb(25), Content_Encoding="gzip")
    assert answer.status == status


def test_a_million_properties_and_deep_ones_are_refused_alone(collector):
    """Their siblings are kept."""
    deep = "[" * 1_010 + "]" * 1_010
    wide = json.dumps({f"p{n}": n for n in range(20_000)})
    batch = [json.dumps(track(n)) for n in range(2)]
    for number, properties in ((2, deep), (3, wide), (4, f'{{"a":{deep}}}')):
        head = json.dumps(track(number))[:-1]
        batch.append(f'{head},"properties":{properties}}}')
    answer = collector.segment(f'{{"batch":[{",".join(batch)}]}}')
    assert answer.status == 400
    kept = "SELECT count(*) FROM events WHERE name = 'opened' AND user_id IN ('u0', 'u1')"
    assert collector.rows(kept)[0][0] >= 2
    assert collector.rows("SELECT count(*) FROM events WHERE user_id IN ('u3', 'u4')") == [(0,)]


def test_memory_stays_bounded_under_bombs_and_floods(tmp_path):
    """A hundred bombs and large bodies, and no more memory than a few of them take."""
    collector = Process(tmp_path, ["--max-memory-mb", "40"]).start()
    try:
        process = psutil.Process(collector.process.pid)
        ask(collector.port, "POST", "/v1/batch", {"batch": [track()]}, basic(collector.key))
        # What the first drain loads is no request's.
        collector.wait_for(lambda: EventLog(Home(tmp_path).events).version() >= 0)
        before = process.memory_info().rss
        flat = b'{"api_key":"x","batch":[' + b'{"event":"x"},' * 80_000 + b"{}]}"
        packed = gzip.compress(flat)
        peak = 0
        for number in range(30):
            body = bomb(30) if number % 3 else packed
            ask(collector.port, "POST", "/batch/", body, {"Content-Encoding": "gzip"})
            ask(collector.port, "POST", "/i/v0/e/", flat)
            peak = max(peak, process.memory_info().rss)
        assert peak - before < 150 * MB
        assert ask(collector.port, "GET", "/ready").status == 200
    finally:
        collector.kill()


def test_half_a_character_costs_no_batch(collector):
    """Browsers write it where a text is cut inside an emoji; an id with one is put aside."""
    cut = '{"type":"track","event":"cut","userId":"%s","properties":{"title":"so \\ud83d"}}'
    whole = '{"type":"track","event":"cut","userId":"h1"}'
    batch = f'{{"batch":[{whole},{cut % "h2"},{cut % (chr(92) + "ud83d")}]}}'
    assert collector.segment(batch).status == 200
    found = "SELECT user_id, properties FROM events WHERE name = 'cut' ORDER BY 1"
    assert collector.rows(found) == [("h1", "{}"), ("h2", '{"title":"so ?"}')]
    assert collector.rows("SELECT count(*) FROM dead_letters WHERE raw LIKE '%ud83d%'") == [(1,)]


def test_half_a_character_in_an_id_that_is_answered(collector):
    """An import names the record that failed, as far as that can be written."""
    properties = {"distinct_id": "u1", "time": 1, "token": collector.key, "$insert_id": "\ud83d"}
    answer = collector.post("/import", [{"event": "x", "properties": properties}])
    assert [record["insert_id"] for record in answer.json["failed_records"]] == ["?"]
