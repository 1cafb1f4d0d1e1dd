"""The shelf of Evidently's own UI: `evidently ui --workspace <home>/evidently`.

Evidently writes into a folder beside the workspace, and what it wrote is moved in file by file: its
UI reads the files whenever it likes, and stops at one that is half written.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Project

MAXIMUM_SNAPSHOTS = 30
"""Kept of each objective; the UI loads all of them when it starts."""

_OURS = uuid.UUID("8b3f2c0e-6f6b-4f0c-9d0e-5d1f0a7c9e21")
"""Namespace of the ids, so that the same objective and instant have the same ones everywhere."""
_PLOTTED = 5


@dataclass(frozen=True)
class Shelf:
    """Where a snapshot belongs."""

    folder: Path
    """The workspace."""
    objective: str
    version: str
    at: datetime

    @property
    def project_id(self) -> uuid.UUID:
        return uuid.uuid5(_OURS, self.objective)

    @property
    def about(self) -> dict[str, str]:
        """What the UI's list of reports shows and searches."""
        return {"objective": self.objective, "model_version": self.version}

    @property
    def snapshot_id(self) -> uuid.UUID:
        return uuid.uuid5(self.project_id, self.at.isoformat())


def keep_snapshot(shelf: Shelf, snapshot: Snapshot) -> None:
    """Put it into the objective's project, in place of an earlier one of the same instant.

    Keeps the `MAXIMUM_SNAPSHOTS` that were put there last. Raises whatever Evidently does, and
    OSError.
    """
    from evidently.sdk.models import ProjectModel
    from evidently.ui.workspace import Workspace  # with evidently, seconds to import

    shelf.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=shelf.folder.parent, prefix=".evidently-") as draft:
        workspace = Workspace(draft)
        model = ProjectModel(
            id=shelf.project_id,
            name=shelf.objective,
            description=f"Drift of what the model of {shelf.objective} is asked about",
        )
        project = workspace.add_project(model)
        _add_panels(project, snapshot)
        snapshot_ref = workspace.add_run(project.id, snapshot)
        written, place = Path(draft) / str(project.id), shelf.folder / str(project.id)
        (place / "snapshots").mkdir(parents=True, exist_ok=True)
        (written / "snapshots" / f"{snapshot_ref.id}.json").replace(
            place / "snapshots" / f"{shelf.snapshot_id}.json"
        )
        for file in written.glob("*.json"):
            file.replace(place / file.name)
    _forget_old(place / "snapshots")


def _add_panels(project: Project, snapshot: Snapshot) -> None:
    """The score's distance over time, and those of the columns that moved most in this run."""
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    columns = [
        metric["config"]["column"]
        for metric in snapshot.dict()["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    ]
    shown = [*columns[-1:], *columns[: _PLOTTED - 1]]
    project.dashboard.add_panel(
        line_plot_panel(
            title="Jensen-Shannon distance from the test window",
            values=[
                PanelMetric(legend=column, metric="ValueDrift", metric_labels={"column": column})
                for column in shown
            ],
        )
    )


def _forget_old(snapshots: Path) -> None:
    files = sorted(snapshots.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-MAXIMUM_SNAPSHOTS]:
        file.unlink(missing_ok=True)
