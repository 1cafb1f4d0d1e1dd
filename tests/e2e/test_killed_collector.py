"""What a collector acknowledged is in the event log, once, however often it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from collector_load import Clients, CollectorProcess, kill_under_load

from tidemill.events import EventLog
from tidemill.home import Home

EVENTS = 6_000
KILLS = 3


def test_every_acknowledged_event_is_in_the_log_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 in the middle of a load, again and again; clients send what was not acknowledged."""
    home = Home(tmp_path)
    collector = CollectorProcess(home)
    clients = Clients(collector, EVENTS, batch=20, connections=4)
    try:
        kill_under_load(collector, clients, EVENTS, KILLS)
        collector.stop()
    finally:
        clients.close()
        collector.kill()
    with EventLog(home.events).connect(threads=1) as con:
        ids = [found for (found,) in con.sql("SELECT event_id FROM events").fetchall()]
    assert sorted(ids) == sorted(f"m-{number}" for number in range(EVENTS))
    assert list((home.collector / "spool").iterdir()) == []
