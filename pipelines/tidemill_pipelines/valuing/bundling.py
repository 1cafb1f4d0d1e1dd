"""Puts the bundle of a lifetime value together: models, description, reference rows."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill.bundle import (
    DEFAULT_GRADE_SHARES,
    EVALUATION_FILE,
    INPUT_NAME,
    MODEL_FILE,
    OUTPUT_NAME,
    REFERENCE_FILE,
    BundleMetadata,
)
from tidemill.grading import grade_thresholds
from tidemill.lifetime_value.bundle import JUDGED_FILE, MORE_OUTPUTS, ValueFacts
from tidemill.objective import Objective
from tidemill_features.catalog import FEATURE_VIEW
from tidemill_pipelines.onnx_file import attach_metadata, open_session
from tidemill_pipelines.valuing.customers import customer_rule
from tidemill_pipelines.valuing.dataset import CURRENT, TEST, TRAIN, Customers, read_customers
from tidemill_pipelines.valuing.intervals import COVERAGE

_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "feast", "duckdb", "tidemill")


def make_value_bundle(
    objective: Objective, dataset: Path, model: Path, evaluation: Path, folder: Path
) -> BundleMetadata:
    """Fill `folder` with both models, reference rows and evaluation; returns the description."""
    facts = json.loads(evaluation.read_text())
    current, test = (read_customers(dataset, split) for split in (CURRENT, TEST))
    session = open_session(model / MODEL_FILE)
    answers = _answers(session, current.vectors if len(current) else test.vectors)
    metadata = _describe(objective, dataset, facts, answers, current.features)
    folder.mkdir(parents=True)
    for name in (MODEL_FILE, JUDGED_FILE):
        shutil.copy(model / name, folder / name)
    shutil.copy(evaluation, folder / EVALUATION_FILE)
    attach_metadata(folder / MODEL_FILE, metadata)
    scores = _answers(session, test.vectors)[OUTPUT_NAME]
    _write_reference(folder / REFERENCE_FILE, test, scores)
    return metadata


def _describe(
    objective: Objective,
    dataset: Path,
    facts: dict[str, Any],
    answers: dict[str, NDArray[np.float64]],
    features: tuple[str, ...],
) -> BundleMetadata:
    train, test = read_customers(dataset, TRAIN), read_customers(dataset, TEST)
    scores = answers[OUTPUT_NAME]
    purchases, lower, upper = (float(answers[name].mean()) for name in MORE_OUTPUTS)
    return BundleMetadata(
        objective=objective.name,
        objective_hash=objective.hash,
        feature_view=FEATURE_VIEW,
        features=features,
        horizon_days=objective.target.within / timedelta(days=1),
        population=customer_rule(objective),
        base_rate=float(scores.mean()),
        grade_shares=DEFAULT_GRADE_SHARES,
        grade_thresholds=grade_thresholds(scores, DEFAULT_GRADE_SHARES),
        grade_lift={each["grade"]: each["lift"] for each in facts["grades"]},
        metrics=facts["metrics"],
        training_cutoffs=_instants(train),
        test_cutoffs=_instants(test),
        data_fingerprint=hashlib.sha256(dataset.read_bytes()).hexdigest()[:16],
        seed=objective.spec.training.seed,
        packages={name: version(name) for name in _PACKAGES},
        value=ValueFacts(
            model=facts["notes"]["recipe"],
            coverage=COVERAGE,
            judged_days=facts["judged_days"],
            unknown_purchases=purchases,
            unknown_interval=(lower, upper),
        ),
    )


def _answers(
    session: onnxruntime.InferenceSession, vectors: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Every output of the served model, by name."""
    names = (OUTPUT_NAME, *MORE_OUTPUTS)
    found = session.run(list(names), {INPUT_NAME: vectors})
    return {name: each.astype(np.float64) for name, each in zip(names, found, strict=True)}


def _write_reference(path: Path, test: Customers, scores: NDArray[np.float64]) -> None:
    """The test window's customers as the served model sees them, and what they then did; `label`
    says who bought again."""
    columns: dict[str, Any] = {
        "user_id": pa.array(test.users.tolist(), pa.string()),
        "cutoff": pa.array(test.cutoffs, pa.timestamp("us", tz="UTC")),
    }
    for index, name in enumerate(test.features):
        columns[name] = pa.array(test.vectors[:, index], pa.float32())
    columns["score"] = pa.array(scores, pa.float64())
    columns["label"] = pa.array(test.purchases > 0, pa.bool_())
    columns["purchases"] = pa.array(test.purchases, pa.float64())
    columns["value"] = pa.array(test.values, pa.float64())
    pq.write_table(pa.table(columns), path)


def _instants(rows: Customers) -> tuple[str, ...]:
    return tuple(
        datetime.fromtimestamp(us / 1e6, tz=UTC).isoformat() for us in np.unique(rows.cutoffs)
    )
