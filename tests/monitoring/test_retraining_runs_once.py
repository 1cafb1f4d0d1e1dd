"""Starting a retraining: remembered before it starts, at most one at a time."""

from __future__ import annotations

import fcntl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidemill.errors import PipelineError
from tidemill.home import Home
from tidemill_monitoring.retraining import read_state, retrain

NOW = datetime(2018, 1, 1, tzinfo=UTC)


def test_a_new_home_remembers_nothing(tmp_path: Path) -> None:
    """No state file means no retraining yet and none running."""
    state = read_state(Home(tmp_path), "orders")
    assert (state.last_started_at, state.in_flight) == (None, False)


def test_a_failed_retraining_is_an_error_and_starts_the_cooldown(tmp_path: Path) -> None:
    """An objective that does not exist fails to train; the attempt is remembered all the same."""
    home = Home(tmp_path)
    with pytest.raises(PipelineError, match="exit code"):
        retrain(home, "orders", "orders", NOW, "drift")
    assert read_state(home, "orders").last_started_at == NOW


def test_a_running_retraining_is_seen_and_not_joined(tmp_path: Path) -> None:
    """Whoever holds the lock is in flight, and the lock dies with its process."""
    home = Home(tmp_path)
    read_state(home, "orders")
    with (home.monitoring("orders") / "retraining.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert read_state(home, "orders").in_flight
        with pytest.raises(PipelineError, match="already running"):
            retrain(home, "orders", "orders", NOW, "drift")
    assert not read_state(home, "orders").in_flight
