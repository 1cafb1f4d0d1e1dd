"""Evidently draws what we binned, and computes the distance that we judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidemill_monitoring.drift import ColumnDrift, Population, measure_drift
from tidemill_monitoring.snapshots import choose_columns, distances, draw_snapshot


def test_evidently_agrees_with_the_distance_that_is_judged(tmp_path: Path) -> None:
    """Missing values, constants and outliers included; the page and its JSON are kept."""
    rng = np.random.default_rng(0)
    then = rng.normal(size=(500, 4)).astype(np.float32)
    now = (rng.normal(size=(400, 4)) + 0.4).astype(np.float32)
    now[:200, 1], now[0, 2] = np.nan, 1e9
    then[:, 3], now[:, 3] = 1.0, 1.0
    names = ["shifted", "half_missing", "outlier", "constant"]
    sides = [Population(np.arange(len(x)).astype(str), x) for x in (then, now)]
    ours = {column.name: column.distance for column in measure_drift(*sides, names)}
    theirs = distances(draw_snapshot(*sides, names, tmp_path).dict())
    assert theirs == pytest.approx(ours, abs=1e-4)
    assert (tmp_path / "evidently.html").stat().st_size > 100_000
    assert (tmp_path / "evidently.json").exists()


def test_the_page_shows_what_moved_and_what_matters() -> None:
    """Half of the columns by drift, half by importance, none twice."""
    names = [f"f{index}" for index in range(100)]
    drift = [ColumnDrift(n, 0, 1 - i / 100, 1, 0.1, 0.1, False, False) for i, n in enumerate(names)]
    power = {name: index / 200 for index, name in enumerate(names)}
    chosen = choose_columns(drift, power, limit=10)
    assert chosen == ["f0", "f1", "f2", "f3", "f4", "f99", "f98", "f97", "f96", "f95"]
