"""Puts the bundle together: the model, its description, and its reference rows."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import (
    DEFAULT_GRADE_SHARES,
    EVALUATION_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    BundleMetadata,
    RecencyRule,
)
from tidemill.grading import grade_thresholds
from tidemill.objective import Objective
from tidemill_features.catalog import FEATURE_VIEW
from tidemill_pipelines.dataset import CURRENT, TEST, TRAIN, read_split
from tidemill_pipelines.evaluate import write_reference
from tidemill_pipelines.onnx_file import attach_metadata, open_session, run
from tidemill_pipelines.population import baseline_feature, population_rule

_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "feast", "duckdb", "tidemill")


def make_bundle(
    objective: Objective, dataset: Path, model: Path, evaluation: Path, folder: Path
) -> BundleMetadata:
    """Fill `folder` with model, reference rows and evaluation; returns the model's description."""
    facts = json.loads(evaluation.read_text())
    train, test, current = (read_split(dataset, split) for split in (TRAIN, TEST, CURRENT))
    session = open_session(model)
    grades = {outcome["grade"]: outcome["lift"] for outcome in facts["curves"]["grades"]}
    metadata = BundleMetadata(
        objective=objective.name,
        objective_hash=objective.hash,
        feature_view=FEATURE_VIEW,
        features=train.features,
        horizon_days=objective.target.within.total_seconds() / 86_400,
        population=population_rule(objective),
        rule=RecencyRule(feature=baseline_feature(objective), absent=objective.target.absent),
        base_rate=float(np.concatenate([train.labels, test.labels]).mean()),
        grade_shares=DEFAULT_GRADE_SHARES,
        grade_thresholds=grade_thresholds(run(session, current.vectors), DEFAULT_GRADE_SHARES),
        grade_lift=grades,
        metrics=facts["metrics"],
        training_cutoffs=_instants(train.cutoffs),
        test_cutoffs=_instants(test.cutoffs),
        data_fingerprint=hashlib.sha256(dataset.read_bytes()).hexdigest()[:16],
        seed=objective.spec.training.seed,
        packages={name: version(name) for name in _PACKAGES},
    )
    folder.mkdir(parents=True)
    shutil.copy(model, folder / MODEL_FILE)
    shutil.copy(evaluation, folder / EVALUATION_FILE)
    attach_metadata(folder / MODEL_FILE, metadata)
    write_reference(folder / REFERENCE_FILE, test, run(session, test.vectors))
    return metadata


def run_parameters(metadata: BundleMetadata) -> dict[str, str]:
    """What makes the run repeatable, as MLflow parameters."""
    return {
        "objective_hash": metadata.objective_hash,
        "data_fingerprint": metadata.data_fingerprint,
        "seed": str(metadata.seed),
        "features": str(len(metadata.features)),
        "training_cutoffs": " ".join(cutoff[:10] for cutoff in metadata.training_cutoffs),
        "test_cutoffs": " ".join(cutoff[:10] for cutoff in metadata.test_cutoffs),
        **{f"package_{name}": found for name, found in metadata.packages.items()},
    }


def _instants(cutoffs: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(datetime.fromtimestamp(us / 1e6, tz=UTC).isoformat() for us in np.unique(cutoffs))
