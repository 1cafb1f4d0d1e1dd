"""The online store of a cluster: layouts never mix, faults are words, and nobody waits for long."""

import threading
import time

import numpy as np
import pytest

from tidemill.errors import OnlineStoreError
from tidemill.home import Home
from tidemill.online import open_online_reader, reader_at, writer_at

VIEW = "v"
USERS = [f"u{number}" for number in range(700)]
FORWARD, BACKWARD = ("a", "b", "c"), ("c", "b", "a", "d")


def rows(cutoff, *values):
    return ((user, cutoff, np.array(values, dtype="<f4").tobytes()) for user in USERS)


@pytest.fixture
def url(redis_server):
    return redis_server.url


@pytest.fixture
def writer(url):
    writer = writer_at(url)
    writer.write(VIEW, FORWARD, rows(1, 1, 2, 3))
    return writer


@pytest.fixture
def reader(url, writer):
    return reader_at(url, VIEW, ("a", "c"))


def keys(redis_server, match):
    return sorted(redis_server.client().scan_iter(match))


def test_a_read_is_one_round_trip(redis_server, reader):
    """Layout and rows come in one command, so they are of one state."""
    reader.read(["u1"])
    client = redis_server.client()
    client.config_resetstat()
    assert reader.read(["u2", "u3"]).vectors.tolist() == [[1, 3], [1, 3]]
    calls = {name: found["calls"] for name, found in client.info("commandstats").items()}
    assert calls.pop("cmdstat_mget") == 1
    assert not any("get" in name for name in calls)


def test_readers_never_mix_layouts(url, writer, reader):
    """While the columns change place again and again, every user is there and every value right."""
    done = threading.Event()

    def keep_changing():
        for batch in range(1, 12):
            writer.write(VIEW, BACKWARD, rows(batch, 3, 2, 1, 0))
            writer.write(VIEW, FORWARD, rows(batch, 1, 2, 3))
        done.set()

    thread = threading.Thread(target=keep_changing)
    thread.start()
    seen = set()
    while not done.is_set():
        found = reader.read(USERS)
        seen |= set(map(tuple, found.vectors.tolist())) | {bool(found.found.all())}
    thread.join()
    assert seen == {(1.0, 3.0), True}


def test_rows_of_an_old_layout_are_removed(redis_server, writer):
    """Nothing but the live rows stays in memory."""
    writer.write(VIEW, BACKWARD, [("u1", 2, bytes(16))])
    assert len(keys(redis_server, "tidemill:row:*")) == 1
    assert len(keys(redis_server, "tidemill:*")) == 4


def test_a_layout_that_was_cut_short_is_never_read(redis_server, writer, reader):
    """The old one stays live, and the next batch removes what was left."""

    def breaking():
        yield from rows(9, 9, 9, 9, 9)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        writer.write(VIEW, BACKWARD, breaking())
    assert reader.read(["u1"]).vectors.tolist() == [[1, 3]]
    writer.write(VIEW, BACKWARD, [("u1", 2, bytes(16))])
    assert len(keys(redis_server, "tidemill:row:*")) == 1
    assert reader.read(["u1"]).cutoffs.tolist() == [2]
    assert keys(redis_server, "tidemill:unswept:*") == []


def test_a_second_writer_waits_for_its_turn(redis_server, writer, reader):
    """Two layouts at once would each remove the other's rows."""
    started, others = threading.Event(), []

    def slow():
        started.set()
        time.sleep(0.3)
        yield from rows(2, 5, 5, 5)

    first = threading.Thread(target=writer.write, args=(VIEW, FORWARD, slow()))
    first.start()
    started.wait()
    writer_at(redis_server.url).write(VIEW, BACKWARD, rows(3, 7, 7, 8, 7))
    others.append(first.is_alive())
    first.join()
    assert others == [False]
    assert reader.read(["u1"]).vectors.tolist() == [[8, 7]]


def test_a_writer_that_lost_its_turn_writes_nothing(redis_server, writer, reader):
    """Held up for longer than a turn lasts, it is refused rather than mixed in."""

    def held_up():
        redis_server.client().delete(f"tidemill:writer:{VIEW}")
        yield from rows(2, 5, 5, 5)

    with pytest.raises(OnlineStoreError, match="another writer"):
        writer.write(VIEW, FORWARD, held_up())
    assert reader.read(["u1"]).cutoffs.tolist() == [1]


def test_a_sample_is_of_different_users(reader):
    """As many as asked for, or all there are."""
    assert len(reader.sample(50).vectors) == 50
    everybody = reader.sample(10_000)
    assert (len(everybody.vectors), everybody.found.all()) == (len(USERS), True)


def test_a_store_that_is_empty_is_filled_while_it_is_watched(redis_server):
    """The reader says what to do until then, and needs no restart."""
    reader = reader_at(redis_server.url, VIEW, FORWARD)
    assert reader.generation() == 0
    with pytest.raises(OnlineStoreError, match="lacks 3 of the 3") as caught:
        reader.read(["u1"])
    assert "tidemill features materialize" in caught.value.hint
    writer_at(redis_server.url).write(VIEW, FORWARD, rows(1, 1, 2, 3))
    assert reader.read(["u1"]).found.all()


def test_a_server_that_is_gone_is_named_and_found_again(start_redis):
    """The message says where; after a restart the same reader goes on."""
    server = start_redis()
    writer_at(server.url).write(VIEW, FORWARD, [("u1", 1, bytes(12))])
    reader = reader_at(server.url, VIEW, FORWARD)
    assert reader.read(["u1"]).found.all()
    server.stop()
    with pytest.raises(OnlineStoreError, match=f"127.0.0.1:{server.port} cannot be reached"):
        reader.read(["u1"])
    server.start()
    writer_at(server.url).write(VIEW, FORWARD, [("u1", 1, bytes(12))])
    time.sleep(1.05)
    assert reader.read(["u1"]).found.all()


def test_a_server_that_hangs_holds_up_one_request_and_no_more(start_redis):
    """Half a second for the first; later ones are refused at once, and no answer comes late."""
    server = start_redis()
    rows = [("u1", 1, bytes(12)), ("u2", 2, bytes(12))]
    writer_at(server.url).write(VIEW, FORWARD, rows)
    reader = reader_at(server.url, VIEW, FORWARD)
    reader.read(["u1"])
    server.client().execute_command("CLIENT", "PAUSE", 1_200)
    waited = []
    for _ in range(20):
        started = time.monotonic()
        with pytest.raises(OnlineStoreError, match="does not answer in time"):
            reader.read(["u1"])
        waited.append(time.monotonic() - started)
    assert 0.4 < waited[0] < 0.8
    assert sum(waited[1:]) < 0.1
    time.sleep(1.2)
    assert reader.read(["u2"]).cutoffs.tolist() == [2]


def test_the_password_comes_from_the_environment(start_redis, monkeypatch):
    """Without it the server refuses, and the message says which variable is missing."""
    server = start_redis("--requirepass", "s3cret")
    with pytest.raises(OnlineStoreError, match="refused the password") as caught:
        reader_at(server.url, VIEW, FORWARD).check()
    assert "TIDEMILL_ONLINE_STORE_PASSWORD" in caught.value.hint
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE_PASSWORD", "s3cret")
    assert writer_at(server.url).write(VIEW, FORWARD, [("u1", 1, bytes(12))]) == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis://:s3cret@host:6379/0", "holds a password"),
        ("redis://me:s3cret@host", "holds a password"),
        ("redis://host/0?password=s3cret", "holds a password"),
        ("redis://host/zero", "not the URL of a Redis"),
        ("redis://host:port/0", "not the URL of a Redis"),
        ("redis://", "not the URL of a Redis"),
        ("memcached://host", "not the URL of a Redis"),
        ("host:6379", "not the URL of a Redis"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(tmp_path, monkeypatch, address, words):
    """At once and in words, which never repeat a secret."""
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", address)
    with pytest.raises(OnlineStoreError, match=words) as caught:
        open_online_reader(Home(tmp_path), VIEW, FORWARD).check()
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"
