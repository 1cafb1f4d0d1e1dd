"""Puts a segmentation's bundle together: the graph, its description, the users it divided."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.bundle import EVALUATION_FILE, MODEL_FILE, REFERENCE_FILE
from tidemill.objective import Objective
from tidemill.segmentation.bundle import Segment, SegmentationMetadata
from tidemill_features.catalog import FEATURE_VIEW
from tidemill_pipelines.dataset import CURRENT, Rows, read_split
from tidemill_pipelines.onnx_file import attach_metadata
from tidemill_pipelines.segmenting.graph import divide
from tidemill_pipelines.segmenting.segment_set import population_rule
from tidemill_pipelines.segmenting.training import model_features, model_rows

_PACKAGES = ("onnx", "onnxruntime", "numpy", "scipy", "duckdb", "feast", "tidemill")


def make_segment_bundle(
    objective: Objective, dataset: Path, model: Path, evaluation: Path, folder: Path
) -> SegmentationMetadata:
    """Fill `folder` with model, divided users and evaluation; returns the description."""
    facts = json.loads(evaluation.read_text())
    now = read_split(dataset, CURRENT)
    metadata = _describe(objective, now, facts, hashlib.sha256(dataset.read_bytes()).hexdigest())
    folder.mkdir(parents=True)
    shutil.copy(model, folder / MODEL_FILE)
    shutil.copy(evaluation, folder / EVALUATION_FILE)
    attach_metadata(folder / MODEL_FILE, metadata)
    _write_reference(folder / REFERENCE_FILE, now, metadata, model)
    return metadata


def segment_parameters(metadata: SegmentationMetadata) -> dict[str, str]:
    """What makes the run repeatable, as MLflow parameters."""
    return {
        "objective_hash": metadata.objective_hash,
        "data_fingerprint": metadata.data_fingerprint,
        "seed": str(metadata.seed),
        "features": str(len(metadata.features)),
        "segments": str(len(metadata.segments)),
        "training_cutoffs": " ".join(cutoff[:10] for cutoff in metadata.training_cutoffs),
        **{f"package_{name}": found for name, found in metadata.packages.items()},
    }


def _describe(
    objective: Objective, now: Rows, facts: dict[str, Any], digest: str
) -> SegmentationMetadata:
    cutoff = datetime.fromtimestamp(int(now.cutoffs[0]) / 1e6, tz=UTC).isoformat()
    return SegmentationMetadata(
        objective=objective.name,
        objective_hash=objective.hash,
        feature_view=FEATURE_VIEW,
        features=model_features(objective),
        population=population_rule(objective),
        segments=tuple(
            Segment(**{name: each[name] for name in Segment.model_fields})
            for each in facts["segments"]
        ),
        next_number=facts["next_number"],
        metrics=facts["metrics"],
        training_cutoffs=(cutoff,),
        test_cutoffs=(cutoff,),
        data_fingerprint=digest[:16],
        seed=objective.spec.training.seed,
        packages={name: version(name) for name in _PACKAGES},
    )


def _write_reference(path: Path, now: Rows, metadata: SegmentationMetadata, model: Path) -> None:
    """Everybody with a segment: what monitors compare later answers with."""
    rows = model_rows(now, metadata.features)
    labels, distance, _ = divide(model, rows)
    ids = np.array([segment.id for segment in metadata.segments], dtype=object)
    columns: dict[str, Any] = {
        "user_id": pa.array(now.users.tolist(), pa.string()),
        "cutoff": pa.array(now.cutoffs, pa.timestamp("us", tz="UTC")),
        **{
            name: pa.array(rows[:, at], pa.float32(), from_pandas=True)
            for at, name in enumerate(metadata.features)
        },
        "segment": pa.array(ids[labels], pa.string()),
        "distance": pa.array(distance, pa.float32()),
    }
    pq.write_table(pa.table(columns), path)
