"""Earlier runs are read from their verdict files, as windows that share no days."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tidemill_monitoring.earlier import MOST_WINDOWS, Earlier, read_earlier

NOW = datetime(2024, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def keep(folder: Path, age: timedelta, version: str = "1", days: int = 7) -> None:
    at = NOW - age
    drift = {"effects": {"x": 0.06}, "drifted_features": ["x"]}
    stored = {
        "format": 1,
        "at": at.isoformat(),
        "model_version": version,
        "window_days": days,
        "verdicts": [{"concern": "drift", "status": "watch", "evidence": drift}],
    }
    home = folder / f"{at:%Y%m%dT%H%M%SZ}"
    home.mkdir()
    (home / "verdict.json").write_text(json.dumps(stored))


def read(folder: Path) -> Earlier:
    return read_earlier(folder, NOW, WEEK, "1")


def test_hourly_runs_are_thinned_to_windows_of_their_own(tmp_path: Path) -> None:
    """Two weeks of hours are two windows, and the run of an hour ago is the newest."""
    for hours in range(1, 24 * 15):
        keep(tmp_path, timedelta(hours=hours))
    found = read(tmp_path)
    assert found.newest is not None
    assert found.newest.at == NOW - timedelta(hours=1)
    assert [round((NOW - each.at) / WEEK) for each in found.apart] == [1, 2]


def test_a_weekly_schedule_may_jitter(tmp_path: Path) -> None:
    """A run that began a minute late is still a week ago."""
    keep(tmp_path, WEEK - timedelta(minutes=1))
    assert len(read(tmp_path).apart) == 1


def test_other_models_other_windows_and_the_future_are_left_out(tmp_path: Path) -> None:
    """Their effects were measured against something else, or are not known yet."""
    keep(tmp_path, WEEK, version="2")
    keep(tmp_path, 2 * WEEK, days=28)
    keep(tmp_path, -WEEK)
    assert read(tmp_path) == Earlier()


def test_effects_and_flags_are_kept(tmp_path: Path) -> None:
    """What thresholds and hysteresis need comes back as it was written."""
    keep(tmp_path, WEEK)
    (window,) = read(tmp_path).apart
    assert (window.effects, window.drifted) == ({"x": 0.06}, frozenset({"x"}))
    assert window.in_control


def test_a_run_that_did_not_finish_is_no_window(tmp_path: Path) -> None:
    """A folder without its verdict, half a file, and another folder's name."""
    (tmp_path / "20240525T000000Z").mkdir()
    (tmp_path / "20240524T000000Z").mkdir()
    (tmp_path / "20240524T000000Z" / "verdict.json").write_text("{")
    (tmp_path / "20240523T000000Z").mkdir()
    (tmp_path / "20240523T000000Z" / "verdict.json").write_text('{"model_version": "1"}')
    (tmp_path / "notesZ").mkdir()
    assert read(tmp_path) == Earlier()


def test_only_a_quarter_is_remembered(tmp_path: Path) -> None:
    """Older windows say little about what is ordinary now."""
    for week in range(1, MOST_WINDOWS + 5):
        keep(tmp_path, week * WEEK)
    assert len(read(tmp_path).apart) == MOST_WINDOWS
