"""Evidently's own UI finds the snapshots: one project per objective, a bounded number in each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from evidently.ui.service.storage.local.base import LocalState

from tidemill_monitoring import snapshots, workspace
from tidemill_monitoring.drift import Population
from tidemill_monitoring.snapshots import draw_snapshot, remove_old_pages
from tidemill_monitoring.workspace import Shelf, keep_snapshot

AT = datetime(2024, 6, 1, tzinfo=UTC)
NAMES = ["visits", "score"]


def keep(home: Path, objective: str, days: int) -> Shelf:
    rng = np.random.default_rng(days)
    sides = [
        Population(np.arange(n).astype(str), rng.normal(size=(n, 2)).astype(np.float32))
        for n in (300, 250)
    ]
    shelf = Shelf(home / "evidently", objective, "7", AT + timedelta(days=days))
    folder = home / "monitoring" / objective / str(days)
    folder.mkdir(parents=True, exist_ok=True)
    keep_snapshot(shelf, draw_snapshot(*sides, NAMES, folder, shelf))
    return shelf


def test_the_ui_reads_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the code the UI starts with: projects, snapshots, their instants; older ones are gone."""
    monkeypatch.setattr(workspace, "MAXIMUM_SNAPSHOTS", 2)
    for days in (0, 7, 14, 14):
        shelf = keep(tmp_path, "orders", days)
    keep(tmp_path, "churn", 0)
    state = LocalState.load(str(shelf.folder), None)
    assert sorted(project.name for project in state.projects.values()) == ["churn", "orders"]
    found = state.snapshots[shelf.project_id].values()
    assert sorted(each.timestamp for each in found) == [AT + timedelta(days=d) for d in (7, 14)]
    assert {each.metadata["model_version"] for each in found} == {"7"}
    assert not list(shelf.folder.parent.glob(".evidently-*"))


def test_the_dashboard_follows_the_score(tmp_path: Path) -> None:
    """It is the first line of the project's only panel."""
    shelf = keep(tmp_path, "orders", 0)
    stored = (shelf.folder / str(shelf.project_id) / "dashboard.json").read_text()
    (panel,) = json.loads(stored)["panels"]
    assert panel["values"][0]["metric_labels"] == {"column": "score"}


def test_an_objective_may_be_called_evidently(tmp_path: Path) -> None:
    """Its own folders lie in the workspace then, and the UI passes over them."""
    shelf = keep(tmp_path, "evidently", 0)
    assert len(LocalState.load(str(shelf.folder), None).projects) == 1


def test_old_pages_are_removed_and_verdicts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the newest runs keep theirs; an hourly monitor would fill the disk."""
    monkeypatch.setattr(snapshots, "MAXIMUM_PAGES", 2)
    for name in ("20240101T000000Z", "20240102T000000Z", "20240103T000000Z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "evidently.html").touch()
        (tmp_path / name / "verdict.json").touch()
    remove_old_pages(tmp_path)
    assert [p.parent.name[6:8] for p in sorted(tmp_path.glob("*/evidently.html"))] == ["02", "03"]
    assert len(list(tmp_path.glob("*/verdict.json"))) == 3
