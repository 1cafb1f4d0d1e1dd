"""Judges a bundle on the test window, beside the simple rule and the champion."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import GRADES
from tidemill.evaluation import (
    PairedDifference,
    average_precision,
    calibration_curve,
    expected_calibration_error,
    grade_outcomes,
    paired_bootstrap,
    roc_auc,
)
from tidemill.grading import grade, grade_thresholds
from tidemill_features.catalog import Catalog
from tidemill_pipelines.dataset import Rows
from tidemill_pipelines.gate import GuardedSlice

_CURVE_POINTS = 200
_INDICATORS = 20


@dataclass(frozen=True)
class Evaluation:
    """Everything a person or the gate wants to know about one bundle."""

    metrics: dict[str, float]
    over_baseline: PairedDifference
    over_champion: PairedDifference | None
    champion_version: str | None
    curves: dict[str, Any]
    """`roc` and `pr` as [x, y] lists, `calibration` bins, `grades`, `indicators`."""
    guarded: list[GuardedSlice] = field(default_factory=list)
    """Against the champion, slices with users and outcomes enough."""
    earlier_challengers: int = 0
    """That the same champion has met before."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    test: Rows,
    scores: NDArray[np.float64],
    baseline: NDArray[np.float64],
    champion: tuple[str, NDArray[np.float64]] | None,
    shares: tuple[float, float, float],
    catalog: Catalog,
    seed: int,
) -> Evaluation:
    """`scores`, `baseline` and the champion's scores are of the rows of `test`, in their order."""
    thresholds = grade_thresholds(scores, shares)
    over_champion = None
    if champion is not None:
        over_champion = paired_bootstrap(test.labels, scores, champion[1], test.users, seed=seed)
    return Evaluation(
        metrics=_metrics(test.labels, scores, baseline),
        over_baseline=paired_bootstrap(test.labels, scores, baseline, test.users, seed=seed),
        over_champion=over_champion,
        champion_version=champion[0] if champion else None,
        curves={
            "roc": roc_curve(test.labels, scores),
            "pr": precision_recall_curve(test.labels, scores),
            "baseline_roc": roc_curve(test.labels, baseline),
            "calibration": [asdict(b) for b in calibration_curve(test.labels, scores)],
            "grades": [asdict(g) for g in grade_outcomes(test.labels, grade(scores, thresholds))],
            "indicators": indicators(test, catalog),
        },
    )


def grade_lift(evaluation: Evaluation) -> dict[str, float]:
    """Lift per grade; a grade nobody got has none."""
    found = {outcome["grade"]: outcome["lift"] for outcome in evaluation.curves["grades"]}
    return {letter: found[letter] for letter in GRADES if letter in found}


def indicators(test: Rows, catalog: Catalog) -> list[dict[str, Any]]:
    """The features that go most with the outcome, one per event: correlations, never causes.

    `auc` above 0.5 means that higher values go with the outcome.
    """
    found = []
    for feature in catalog.features:
        column = test.column(feature.name).astype(np.float64)
        known = np.where(np.isnan(column), np.finfo(np.float32).max, column)
        found.append((roc_auc(test.labels, known), feature))
    found.sort(key=lambda pair: -abs(pair[0] - 0.5))
    seen: set[str] = set()
    best: list[dict[str, Any]] = []
    for auc, feature in found:
        events = replace(feature.signal, value=None).name
        if events in seen or len(best) == _INDICATORS:
            continue
        seen.add(events)
        best.append({"feature": feature.name, "description": feature.description, "auc": auc})
    return best


def roc_curve(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> list[list[float]]:
    """False positive rates and true positive rates, thinned for drawing."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(labels[order])[last_of_tie]
    misses = np.cumsum(~labels[order])[last_of_tie]
    return _thin(
        np.append(0.0, misses / max(1, misses[-1])), np.append(0.0, hits / max(1, hits[-1]))
    )


def precision_recall_curve(
    labels: NDArray[np.bool_], scores: NDArray[np.float64]
) -> list[list[float]]:
    """Recalls and precisions, thinned for drawing."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    return _thin(hits / max(1, hits[-1]), hits / np.arange(1, len(hits) + 1))


def _metrics(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], baseline: NDArray[np.float64]
) -> dict[str, float]:
    likelihood = np.where(labels, scores, 1 - scores)
    return {
        "auc": roc_auc(labels, scores),
        "average_precision": average_precision(labels, scores),
        "ece": expected_calibration_error(labels, scores),
        "log_loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        "predicted_over_observed": float(scores.mean() / labels.mean()),
        "base_rate": float(labels.mean()),
        "users": float(len(labels)),
        "baseline_auc": roc_auc(labels, baseline),
        "baseline_average_precision": average_precision(labels, baseline),
    }


def _thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[float]]:
    keep = np.unique(np.linspace(0, len(x) - 1, _CURVE_POINTS).astype(int))
    return [x[keep].tolist(), y[keep].tolist()]


def write_reference(path: Path, test: Rows, scores: NDArray[np.float64]) -> None:
    """The test window as the bundle saw it: what monitors compare live traffic with."""
    import pyarrow as pa  # the rest of this module is numpy alone
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "user_id": pa.array(test.users.tolist(), pa.string()),
        "cutoff": pa.array(test.cutoffs, pa.timestamp("us", tz="UTC")),
    }
    for index, name in enumerate(test.features):
        columns[name] = pa.array(test.vectors[:, index], pa.float32())
    columns["score"] = pa.array(scores, pa.float64())
    columns["label"] = pa.array(test.labels, pa.bool_())
    pq.write_table(pa.table(columns), path)
