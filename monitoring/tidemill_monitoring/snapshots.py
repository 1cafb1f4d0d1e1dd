"""Evidently computes and draws: the page a person opens to see how columns moved.

Evidently gets what it is good at: a few dozen columns as labelled bins, one row per user, checked
before. Its own bins (equal width), significance tests (rows taken as independent) and treatment
of missing values (dropped) do not decide anything here; see docs/monitoring.md.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.binning import bin_reference
from tidemill_monitoring.drift import ACT_EFFECT, ColumnDrift, Population
from tidemill_monitoring.workspace import Shelf, keep_snapshot

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

MAXIMUM_COLUMNS = 30
MAXIMUM_ROWS = 100_000
MAXIMUM_PAGES = 30
"""HTML pages that are kept for an objective."""
_PAGE = "evidently.html"


def choose_columns(
    drift: Sequence[ColumnDrift], power: Mapping[str, float], limit: int = MAXIMUM_COLUMNS
) -> list[str]:
    """Half by drift effect, half by how well the feature alone ranks the outcome."""
    moved = [column.name for column in sorted(drift, key=lambda column: -column.effect)]
    strong = sorted(power, key=lambda name: -power[name])
    return list(dict.fromkeys([*moved[: limit // 2], *strong]))[:limit]


def try_to_draw(
    reference: Population, current: Population, names: Sequence[str], folder: Path, shelf: Shelf
) -> list[str]:
    """As `draw_snapshot`, and put it on the shelf; returns what went wrong, one line each."""
    try:
        snapshot = draw_snapshot(reference, current, names, folder, shelf)
    except Exception as error:  # Evidently draws for people; what it cannot draw is still judged
        return [f"Evidently's page was not drawn: {type(error).__name__}: {error}"]
    try:
        remove_old_pages(folder.parent)
        keep_snapshot(shelf, snapshot)
    except Exception as error:  # the same, and the page is there
        return [f"the snapshot is not in Evidently's workspace: {type(error).__name__}: {error}"]
    return []


def draw_snapshot(
    reference: Population,
    current: Population,
    names: Sequence[str],
    folder: Path,
    shelf: Shelf | None = None,
) -> Snapshot:
    """Write evidently.html and evidently.json.

    `names` are the columns of both populations. The distances are Jensen-Shannon over our bins.
    `shelf` tells the instant and the model; without it the snapshot is as of now.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Evidently and its dependencies warn about their own deprecations.
        warnings.simplefilter("ignore")
        return _draw(reference, current, names, folder, shelf)


def remove_old_pages(folder: Path) -> None:
    """Keep the pages of the newest runs below an objective's folder; verdicts are all kept.

    A page is 4 to 6 MB, and an hourly monitor draws a hundred megabytes of them a day.
    """
    for page in sorted(folder.glob(f"*/{_PAGE}"))[:-MAXIMUM_PAGES]:
        page.unlink(missing_ok=True)


def _draw(
    reference: Population,
    current: Population,
    names: Sequence[str],
    folder: Path,
    shelf: Shelf | None,
) -> Snapshot:
    import pandas as pd  # with evidently, seconds to import
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    before, now = binned_labels(reference.values, current.values)
    definition = DataDefinition(categorical_columns=list(names))
    frames = (pd.DataFrame(side, columns=list(names), dtype=object) for side in (now, before))
    datasets = [Dataset.from_pandas(frame, definition) for frame in frames]
    metrics = [ValueDrift(column=n, method="jensenshannon", threshold=ACT_EFFECT) for n in names]
    about = {} if shelf is None else {"timestamp": shelf.at, "metadata": shelf.about}
    snapshot = Report(metrics).run(*datasets, **about)
    snapshot.save_html(str(folder / _PAGE))
    (folder / "evidently.json").write_text(snapshot.json())
    return snapshot


def distances(snapshot: Mapping[str, Any]) -> dict[str, float]:
    """Column to distance, from the dictionary form of a snapshot."""
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in snapshot["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }


def binned_labels(
    reference: NDArray[np.float32], current: NDArray[np.float32]
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Both [rows, columns] matrices as text labels of the reference's bins."""
    sides = []
    bins = [bin_reference(column) for column in reference.T]
    for side in (reference, current):
        values = side[:: -(-len(side) // MAXIMUM_ROWS)]
        labelled = np.empty(values.shape, dtype=object)
        for index, each in enumerate(bins):
            labels = np.asarray(each.labels(), dtype=object)
            labelled[:, index] = labels[each.codes(values[:, index])]
        sides.append(labelled)
    return sides[0], sides[1]
