"""Identities are resolved once per version of the log, and cost nothing where there are none."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from tidemill.events import EventLog
from tidemill.events.identity import cache

COUNT = """
import sys
from pathlib import Path
from tidemill.events import EventLog
with EventLog(Path(sys.argv[1])).connect() as con:
    print(con.execute("SELECT count(*) FROM user_events").fetchall()[0][0])
"""


@pytest.fixture
def add(log, make_events, cutoff):
    """`add("e1", day=1, user_id=..., anonymous_id=...)`: one event, received on that day."""

    def append(event, day=0.0, **columns):
        at = cutoff + timedelta(days=day)
        log.append(make_events(event, timestamp=at, received_at=at, **columns))

    return append


@pytest.fixture
def resolutions(monkeypatch):
    """Grows whenever links are resolved."""
    calls = []
    judge = cache.judge_claims
    monkeypatch.setattr(cache, "judge_claims", lambda *given: (calls.append(1), judge(*given)))
    return calls


def joined(log):
    with log.connect() as con:
        return con.execute("SELECT event_id, user_id FROM user_events ORDER BY 1").fetchall()


def test_a_log_of_users_alone_is_left_alone(log, add):
    """No anonymous id and no alias: the view is the plain one, and nothing is written."""
    add("e1", user_id="ann", anonymous_id="phone")
    with log.connect() as con:
        (sql,) = con.execute(
            "SELECT sql FROM duckdb_views() WHERE view_name = 'user_events'"
        ).fetchall()[0]
    assert "JOIN" not in sql.upper()
    assert not (log.root / "identity").exists()


def test_a_version_is_resolved_once(log, add, resolutions):
    """By whoever asks first; the others read the file."""
    add("look", anonymous_id="phone", user_id=None)
    add("login", 1, anonymous_id="phone", user_id="ann")
    assert joined(log) == joined(EventLog(log.root)) == [("login", "ann"), ("look", "ann")]
    assert len(resolutions) == 1


def test_news_about_nobody_is_not_resolved_again(log, add, resolutions):
    """More events of known people: the claims are the same."""
    add("look", anonymous_id="phone", user_id=None)
    add("login", 1, anonymous_id="phone", user_id="ann")
    joined(log)
    add("later", 2, anonymous_id="phone", user_id="ann")
    add("more", 3, anonymous_id="phone", user_id=None)
    assert ("more", "ann") in joined(log)
    assert len(resolutions) == 1


def test_older_history_changes_who_was_first(log, add):
    """An import of what was received before."""
    add("look", anonymous_id="tablet", user_id=None)
    add("b", 5, anonymous_id="tablet", user_id="bob")
    assert ("look", "bob") in joined(log)
    add("a", 2, anonymous_id="tablet", user_id="ann")
    assert ("look", "ann") in joined(log)


def test_compaction_changes_nothing(log, add, resolutions):
    """Its files hold no news."""
    for number in range(3):
        add(f"look{number}", number, anonymous_id=f"d{number}", user_id=None)
        add(f"login{number}", number, anonymous_id=f"d{number}", user_id="ann")
    before = joined(log)
    log.compact()
    assert joined(log) == before
    assert len(resolutions) == 1


def test_another_plan_is_another_resolution(log, add):
    """Fewer devices a user."""
    for device in ("d1", "d2"):
        add(f"look-{device}", anonymous_id=device, user_id=None)
        add(f"login-{device}", 1, anonymous_id=device, user_id="ann")
    assert len(joined(log)) == 4
    plan = {"apiVersion": "tidemill.dev/v1alpha1", "kind": "TrackingPlan"}
    plan["spec"] = {"identity": {"devicesPerUser": 1}}
    (log.root / "plan.yaml").write_text(json.dumps(plan))
    assert [event for event, _ in joined(log)] == ["login-d1", "login-d2", "look-d1"]


def test_only_the_newest_files_are_kept(log, add):
    """And a connection does not need them any more."""
    add("look", anonymous_id="d0", user_id=None)
    con = log.connect()
    for number in range(3):
        add(f"login{number}", 1, anonymous_id=f"d{number}", user_id="ann")
        joined(log)
    assert len(list((log.root / "identity").glob("*.parquet"))) == 2
    assert con.execute("SELECT count(*) FROM user_events").fetchall() == [(0,)]


@pytest.mark.parametrize("loss", ["state.json", "*.parquet", "*"])
def test_the_cache_can_be_lost(log, add, loss):
    """It is made again."""
    add("look", anonymous_id="phone", user_id=None)
    add("login", 1, anonymous_id="phone", user_id="ann")
    before = joined(log)
    for file in (log.root / "identity").glob(loss):
        if file.is_file():
            file.unlink()
    assert joined(log) == before


def test_many_processes_share_one_cache(log, add):
    """All of them start with none."""
    add("look", anonymous_id="phone", user_id=None)
    add("login", 1, anonymous_id="phone", user_id="ann")
    command = [sys.executable, "-c", COUNT, str(log.root)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[0] for process in running] == [b"2\n"] * 4
