"""On a cluster the features come from a Redis, and the server lives through its troubles."""

import time

import pytest

from tidemill.home import Home


@pytest.fixture
def home(tmp_path, kit):
    """A home with version 1 promoted and no features yet."""
    home = Home(tmp_path / "home")
    kit.promote(home, "1")
    return home


@pytest.fixture
def redis(start_redis, monkeypatch):
    server = start_redis()
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", server.url)
    return server


def status(server, kit):
    return server.infer(kit.users_request("u1")).status


def test_answers_are_those_of_a_file(start_server, redis, home, kit):
    """Scores, grades and strangers alike; the home's file is not even made."""
    kit.fill_store(home)
    answer = start_server().infer(kit.users_request("u1", "nobody", "u7"))
    expected = [kit.expected_score(kit.vector_of(1)), 0.04, kit.expected_score(kit.vector_of(7))]
    assert answer.column("score") == pytest.approx(expected, abs=1e-6)
    assert answer.column("cold_start") == [False, True, False]
    assert not home.online_store.exists()


def test_a_store_filled_after_the_start_is_picked_up(start_server, redis, home, kit):
    """Until then users are refused in words, and feature rows are scored."""
    server = start_server()
    refused = server.infer(kit.users_request("u1"))
    assert refused.status == 503
    assert "tidemill features materialize" in refused.json["error"]
    assert server.infer(kit.features_request([[1, 2, 3]])).status == 200
    time.sleep(2.5)
    assert server.log().count("grades keep their cut points") == 1
    kit.fill_store(home)
    assert status(server, kit) == 200


def test_a_redis_that_restarts_is_found_again(start_server, redis, home, kit):
    """503 while it is away, still ready for feature rows, and no restart of the server."""
    kit.fill_store(home)
    server = start_server()
    redis.stop()
    refused = server.infer(kit.users_request("u1"))
    assert refused.status == 503
    assert "cannot be reached" in refused.json["error"]
    assert server.get("/v2/health/ready").status == 200
    redis.start()
    kit.fill_store(home)
    server.wait_for(lambda: status(server, kit) == 200, seconds=5)


def test_a_redis_that_hangs_does_not_hang_the_server(start_server, redis, home, kit):
    """Twenty requests share one wait of half a second."""
    kit.fill_store(home)
    server = start_server()
    assert status(server, kit) == 200
    redis.client().execute_command("CLIENT", "PAUSE", 3_000)
    started = time.monotonic()
    assert {status(server, kit) for _ in range(20)} == {503}
    assert time.monotonic() - started < 1.5
    server.wait_for(lambda: status(server, kit) == 200, seconds=8)


def test_everybody_is_scored_from_redis(redis, home, kit):
    """`tidemill predict --all` lists the users of the server."""
    kit.fill_store(home)
    run = kit.run_cli(
        home, "predict", kit.OBJECTIVE, "--all", "--out", str(home.root / "s.parquet")
    )
    assert f"wrote {kit.USERS} rows" in run.stderr


def test_an_address_that_cannot_work_is_refused_at_once(home, kit, monkeypatch):
    """Rather than with every request."""
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", "redis:6379")
    assert "'redis:6379' is not the URL of a Redis" in kit.invoke(home, "serve").message
