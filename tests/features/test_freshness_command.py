"""`tidemill features follow` as a process: it tells, it outlives, it ends when it is told to."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill_features.catalog import FEATURE_VIEW, Catalog, Signal, save_catalog
from tidemill_features.following import in_words

COMMAND = [sys.executable, "-m", "tidemill.cli", "features", "follow"]


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    save_catalog(home, Catalog((Signal(None), Signal("order"))))
    return home


@pytest.fixture
def receive(home, events_of):
    """`receive("u1", ...)`: an order of each user, received just now, or `seconds_ago`."""

    def build(*users, seconds_ago=0):
        now = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        EventLog(home.events).append(
            events_of(*({"user": u, "at": now, "id": f"{u}{now}"} for u in users))
        )

    return build


@pytest.fixture
def start(home, tmp_path):
    """Starts a follower that writes to a file; all of them end with the test."""
    started = []

    def build(*options, **environment):
        log = (tmp_path / f"follower-{len(started)}.log").open("w+")
        process = subprocess.Popen(
            [*COMMAND, *options],
            env={**os.environ, "TIDEMILL_HOME": str(home.root), "COLUMNS": "200", **environment},
            stderr=log,
        )
        process.said = (tmp_path / log.name).read_text
        started.append(process)
        return process

    yield build
    for process in started:
        process.kill()
        process.wait()


def orders(home, user):
    """What the store says; 0 while it says nothing."""
    try:
        reader = open_online_reader(home, FEATURE_VIEW, ["order__count_ever"])
        rows = reader.read([user])
    except Exception:  # the store is not there yet, in whatever way
        return 0
    return int(rows.vectors[0, 0]) if rows.found[0] else 0


def wait_for(condition, process, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.said()
        assert time.monotonic() < deadline, process.said()
        time.sleep(0.05)


def test_an_event_is_in_the_store_within_seconds(home, receive, start):
    """Through a batch at first, then a push; SIGTERM ends it with code 0."""
    receive("u1", seconds_ago=9)
    process = start()
    wait_for(lambda: "are in the store" in process.said(), process)
    receive("u1", "u2")
    received = time.monotonic()
    wait_for(lambda: (orders(home, "u1"), orders(home, "u2")) == (2, 1), process)
    assert time.monotonic() - received < 10
    wait_for(lambda: "2 users, the oldest event" in process.said(), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_once_catches_up_and_ends(home, receive, start):
    """For scripts: the second time there is nothing to compute but what is new."""
    receive("u1", seconds_ago=9)
    assert start("--once").wait(timeout=120) == 0
    receive("u2")
    process = start("--once")
    assert process.wait(timeout=120) == 0
    assert (orders(home, "u1"), orders(home, "u2")) == (1, 1)
    assert process.said().startswith("1 user, the oldest event")


def test_kill_9_loses_nothing(home, receive, start):
    """Killed with events on their way; the next one brings them in."""
    receive("u1", seconds_ago=9)
    assert start("--once").wait(timeout=120) == 0
    process = start()
    wait_for(lambda: process.poll() is None, process)
    receive("u2")
    process.kill()
    process.wait()
    receive("u3")
    assert start("--once").wait(timeout=120) == 0
    assert (orders(home, "u2"), orders(home, "u3")) == (1, 1)


def test_an_empty_log_is_waited_for(home, start):
    """It starts before the first event, says nothing, and ends when told to."""
    assert start("--once").wait(timeout=60) == 0
    process = start()
    time.sleep(3)
    process.send_signal(signal.SIGTERM)
    assert (process.wait(timeout=20), process.said()) == (0, "")


def test_a_store_out_of_reach_is_said_once(home, receive, start):
    """And tried again and again; with --once it is an error."""
    receive("u1")
    address = {"TIDEMILL_ONLINE_STORE": "redis://127.0.0.1:1/0"}
    process = start(**address)
    wait_for(lambda: "cannot be reached" in process.said(), process)
    time.sleep(3)
    assert process.said().count("cannot be reached") == 1
    assert start("--once", **address).wait(timeout=60) == 1


def test_a_redis_that_comes_back_is_filled(home, receive, start, start_redis):
    """All that it had is gone; the follower fills it and goes on."""
    receive("u1", seconds_ago=9)
    redis = start_redis()
    process = start(TIDEMILL_ONLINE_STORE=redis.url)
    wait_for(lambda: "are in the store" in process.said(), process)
    redis.stop()
    wait_for(lambda: "cannot be reached" in process.said(), process)
    redis.start()
    wait_for(lambda: "going on" in process.said(), process)
    wait_for(lambda: process.said().count("are in the store") == 2, process)
    assert "other features than before" in process.said()


def test_the_past_is_known_as_it_was(home, events_of, start):
    """Events of last year are no reason for alarm: their users are inactive as of now."""
    EventLog(home.events).append(events_of({"user": "u1"}))
    assert start("--once").wait(timeout=120) == 0
    reader = open_online_reader(home, FEATURE_VIEW, ["any__days_since_last"])
    found = reader.read(["u1"])
    assert found.vectors[0, 0] > 400
    age = datetime.now(UTC) - timedelta(microseconds=int(found.cutoffs[0]))
    assert age.timestamp() < 120


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(milliseconds=1_340), "1.3 s"),
        (timedelta(seconds=119), "119.0 s"),
        (timedelta(minutes=2, seconds=59), "2 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2_000), "2,000 days"),
    ],
)
def test_an_age_is_told_in_a_unit_that_can_be_read(age, said):
    """A log that ends in the past is older than anybody counts in seconds."""
    assert in_words(age) == said
