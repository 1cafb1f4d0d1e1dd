"""Write keys: where each API has them, who owns them, and how they change."""

import hmac
import json
import stat

import pytest
from collector_kit import basic, collecting, track

from tidemill.collector.sources import KeyRing, SourceError, SourceFile, SourceFolder

TP2 = "/com.snowplowanalytics.snowplow/tp2"


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """One collector with two sources."""
    with collecting(tmp_path_factory.mktemp("keys"), sources=("default", "shop")) as started:
        yield started


def requests_with(key):
    """One good request for each place where an API has its key: (path, body, headers)."""
    mixpanel = {"event": "opened", "properties": {"distinct_id": "u1", "time": 1_700_000_000}}
    with_token = {**mixpanel, "properties": {**mixpanel["properties"], "token": key}}
    event = {"event": "opened", "distinct_id": "u1"}
    return [
        ("/v1/batch", {"batch": [track()]}, basic(key)),
        ("/v1/track", track(writeKey=key), {}),
        ("/v1/t", track(writeKey=key), {}),
        ("/track", [with_token], {}),
        ("/import", [mixpanel], basic(key)),
        ("/engage", [{"$token": key, "$distinct_id": "u1", "$set": {"plan": "x"}}], {}),
        ("/2/httpapi", {"api_key": key, "events": [{"event_type": "x", "user_id": "u1"}]}, {}),
        ("/batch", {"api_key": key, "events": [{"event_type": "x", "user_id": "u1"}]}, {}),
        ("/batch/", {"api_key": key, "batch": [event]}, {}),
        ("/i/v0/e/", {"token": key, **event}, {}),
        ("/e/", [{**event, "properties": {"token": key}}], {}),
        (TP2, {"data": [{"e": "pv", "aid": key, "uid": "u1", "eid": "e1"}]}, {}),
    ]


@pytest.mark.parametrize("number", range(12))
def test_a_key_is_found_where_the_api_has_it(collector, number):
    """The same request passes with a key of a source, and with no other."""
    path, body, headers = requests_with(collector.key)[number]
    assert collector.post(path, body, **headers).status == 200
    path, body, headers = requests_with("0" * 32)[number]
    assert collector.post(path, body, **headers).status in (400, 401)


def test_each_api_says_in_its_own_words_that_a_key_is_wrong(collector):
    """The SDKs look for these: Amplitude's for the words, the others for the status."""
    said = [collector.post(*request[:2], **request[2]) for request in requests_with("wrong")]
    assert [answer.status for answer in said] == [401] * 6 + [400] * 2 + [401] * 4
    assert said[0].json["code"] == "unauthorized"
    assert said[3].json["status"] == 0
    assert said[4].json == {
        "code": 401,
        "error": "the write key is not known",
        "status": "Unauthorized",
    }
    assert said[6].json["error"].startswith("Invalid API key:")
    assert said[8].json["detail"] == "the write key is not known"


def test_a_request_belongs_to_one_source(collector):
    """Two keys of one request that lead to two sources let nothing pass."""
    both = {"batch": [track(writeKey=collector.keys["shop"])]}
    assert collector.segment(both).status == 401
    both = {"batch": [track(writeKey=collector.key)]}
    assert collector.segment(both).status == 200


def test_without_a_key_there_is_no_entry(collector):
    """Nothing is kept of what nobody vouches for."""
    answer = collector.post("/v1/track", track(99))
    assert (answer.status, answer.json["message"]) == (401, "there is no write key")
    assert collector.rows("SELECT 1 FROM events WHERE user_id = 'u99'") == []


def test_every_source_is_compared(tmp_path, monkeypatch):
    """How long a key takes to be known does not tell which source it is near to."""
    file = SourceFile(tmp_path / "sources.json")
    keys = [file.add(f"s{number}") for number in range(5)]
    ring, compared = KeyRing(file), []
    monkeypatch.setattr(
        hmac, "compare_digest", lambda one, other: compared.append(one) or one == other
    )
    assert [ring.source_of([key]) for key in (keys[0], keys[4], "wrong")] == ["s0", "s4", None]
    assert len(compared) == 15


def test_keys_are_stored_as_digests_that_only_the_owner_reads(tmp_path):
    """A copy of the file lets nobody send."""
    path = tmp_path / "collector" / "sources.json"
    key = SourceFile(path).add("shop")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key not in path.read_text()
    assert KeyRing(SourceFile(path)).source_of([key]) == "shop"


def test_sources_come_and_go_while_the_ring_is_in_use(tmp_path):
    """A removed key is good for nothing."""
    file = SourceFile(tmp_path / "sources.json")
    ring = KeyRing(file)
    key = file.add("shop")
    assert (ring.source_of([key]), ring.refresh(), ring.source_of([key])) == (None, True, "shop")
    file.remove("shop")
    assert (ring.refresh(), ring.source_of([key]), ring.refresh()) == (True, None, False)


def test_a_mounted_secret_is_a_folder_of_keys(tmp_path):
    """Kubernetes swaps a link to a hidden folder; the names are links into it."""
    for version, key in (("..1", "first\n"), ("..2", "second")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "shop").write_text(key)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "shop").symlink_to("..data/shop")
    ring = KeyRing(SourceFolder(tmp_path))
    assert ring.source_of(["first"]) == "shop"
    (tmp_path / "next").symlink_to("..2")
    (tmp_path / "next").rename(tmp_path / "..data")
    assert (ring.refresh(), ring.source_of(["first"]), ring.source_of(["second"])) == (
        True,
        None,
        "shop",
    )


def test_a_folder_of_keys_that_cannot_be_read_takes_none_away(tmp_path):
    """SDKs throw away what is answered with 401, so a mount that is gone is an error."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "shop").write_text("first")
    ring = KeyRing(SourceFolder(folder))
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="cannot be read"):
        ring.refresh()
    assert ring.source_of(["first"]) == "shop"


@pytest.mark.parametrize("name", ["import", "retry"])
def test_a_folder_of_keys_has_no_source_named_like_another_channel(tmp_path, name):
    """Receipts would mix its events with those of files and retries."""
    (tmp_path / name).write_text("key")
    with pytest.raises(SourceError, match="cannot be the name"):
        KeyRing(SourceFolder(tmp_path))


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "import", "retry", "x" * 64])
def test_names_of_sources_are_plain(tmp_path, name):
    """They become labels, channels and file names."""
    with pytest.raises(SourceError, match="cannot be the name"):
        SourceFile(tmp_path / "sources.json").add(name)


def test_a_source_file_that_is_damaged_is_an_error_and_no_empty_list(tmp_path):
    """Else a new default source would be made, and every key be refused."""
    (tmp_path / "sources.json").write_text("{")
    with pytest.raises(SourceError, match="cannot be read"):
        KeyRing(SourceFile(tmp_path / "sources.json"))


@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("/track", {"event": "", "properties": {"token": "KEY"}}),
        ("/engage", {"$token": "KEY", "$set": {}}),
        ("/e/", {"token": "KEY", "event": "keyless"}),
        (TP2, {"data": [{"aid": "KEY", "e": "nothing"}]}),
    ],
)
def test_dead_letters_do_not_tell_the_key(collector, path, event):
    """They are shown to whoever reads the log."""
    collector.post(path, json.dumps(event).replace("KEY", collector.key))
    counts = "SELECT count(*), count(*) FILTER (contains(raw, ?)) FROM dead_letters"
    total, telling = collector.log().execute(counts, [collector.key]).fetchone()
    assert total > 0
    assert telling == 0
