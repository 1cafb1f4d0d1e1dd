"""Evidently's default preset on the windows that the monitor judges, one row per user."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from monitoring_streams import NAMES, Window
from numpy.typing import NDArray


@dataclass(frozen=True)
class Flagged:
    """What the preset says."""

    columns: frozenset[str]
    dataset: bool
    """Half of the columns or more."""


def preset(reference: Window, current: Window) -> Flagged:
    """DataDriftPreset() with its own definitions, methods and thresholds."""
    return run_preset(reference.vectors, current.vectors, NAMES)


def run_preset(
    reference: NDArray[np.float32], current: NDArray[np.float32], names: Sequence[str]
) -> Flagged:
    """Matrices [users, features]."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    frames = [pd.DataFrame(side, columns=list(names)) for side in (current, reference)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # Evidently's dependencies warn about themselves
        found = Report([DataDriftPreset()], include_tests=True).run(*frames).dict()
    drifted = {
        test["metric_config"]["params"]["column"]
        for test in found["tests"]
        if "column" in test["metric_config"]["params"] and test["status"] == "FAIL"
    }
    share = next(
        metric["value"]["share"]
        for metric in found["metrics"]
        if metric["config"]["type"].endswith(":DriftedColumnsCount")
    )
    return Flagged(frozenset(drifted), share >= 0.5)
