"""Puts a recommender's bundle together: the model, its description, its lists, its items."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.bundle import EVALUATION_FILE, MODEL_FILE, REFERENCE_FILE
from tidemill.objective import Objective
from tidemill.recommendation.bundle import ITEMS_FILE, RecommenderMetadata
from tidemill.recommendation.histories import ItemTable, RecommendationSet
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.recommendation_set import load_recommendation_set
from tidemill_pipelines.onnx_file import attach_metadata, open_session
from tidemill_pipelines.recommending.declared import choice_of
from tidemill_pipelines.recommending.measuring import model_lists, ndcg
from tidemill_pipelines.recommending.notes import read_notes
from tidemill_pipelines.recommending.running import Ranker
from tidemill_pipelines.recommending.task import Task

DEFINITION_FILE = "interests.json"
"""Beside the arrays of a training set: what they were computed by."""
_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "duckdb", "tidemill")
_CHUNK = 1 << 20


def make_recommender_bundle(
    objective: Objective, dataset: Path, model: Path, evaluation: Path, folder: Path
) -> RecommenderMetadata:
    """Fill `folder` with model, reference lists, evaluation and items; returns the description."""
    data = load_recommendation_set(dataset)
    facts = json.loads(evaluation.read_text())
    metadata = _describe(objective, data, model, facts["metrics"])
    folder.mkdir(parents=True)
    shutil.copy(model, folder / MODEL_FILE)
    shutil.copy(evaluation, folder / EVALUATION_FILE)
    attach_metadata(folder / MODEL_FILE, metadata)
    _write_reference(folder / REFERENCE_FILE, objective, data, model)
    _write_items(folder / ITEMS_FILE, data.items)
    return metadata


def recommender_parameters(metadata: RecommenderMetadata) -> dict[str, str]:
    """What makes the run repeatable, as MLflow parameters."""
    return {
        "objective_hash": metadata.objective_hash,
        "data_fingerprint": metadata.data_fingerprint,
        "seed": str(metadata.seed),
        "model": metadata.model,
        "items": str(len(metadata.items)),
        "training_cutoffs": " ".join(cutoff[:10] for cutoff in metadata.training_cutoffs),
        "test_cutoffs": " ".join(cutoff[:10] for cutoff in metadata.test_cutoffs),
        **{f"package_{name}": found for name, found in metadata.packages.items()},
    }


def _describe(
    objective: Objective, data: RecommendationSet, model: Path, metrics: dict[str, float]
) -> RecommenderMetadata:
    choice, notes = choice_of(objective), read_notes(model)
    definition = (data.folder / DEFINITION_FILE).read_text()
    return RecommenderMetadata(
        objective=objective.name,
        objective_hash=objective.hash,
        interests=InterestDefinition.model_validate_json(definition),
        items=data.items.ids,
        contexts=data.items.contexts,
        count=choice.count,
        at_most=choice.at_most,
        randomise=choice.randomise,
        repeats=choice.repeats,
        is_factored=notes.is_factored,
        model=notes.model,
        horizon_days=choice.within / timedelta(days=1),
        metrics=metrics,
        training_cutoffs=(data.earlier.histories.cutoff.isoformat(),),
        test_cutoffs=(data.later.histories.cutoff.isoformat(),),
        data_fingerprint=_fingerprint(data.folder),
        seed=objective.spec.training.seed,
        packages={name: version(name) for name in _PACKAGES},
    )


def _fingerprint(folder: Path) -> str:
    """16 hex digits of everything the training read."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _write_reference(
    path: Path, objective: Objective, data: RecommendationSet, model: Path
) -> None:
    """The lists of the test window with their NDCG: what monitors compare live lists with."""
    task = Task.of(objective, data)
    ranker = Ranker(open_session(model), data.items, data.items.ids, data.items.contexts)
    lists = model_lists(ranker, task)
    histories, ids = task.window.histories, data.items.ids
    shown = [[ids[item] for item in row if item >= 0] for row in lists.items.tolist()]
    columns: dict[str, Any] = {
        "user_id": pa.array(histories.users.tolist(), pa.string()),
        "cutoff": pa.array([histories.cutoff] * len(histories), pa.timestamp("us", tz="UTC")),
        "ndcg": pa.array(ndcg(lists, task), pa.float64()),
        "items": pa.array(shown, pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), path)


def _write_items(path: Path, table: ItemTable) -> None:
    path.write_text(json.dumps({"items": table.ids, "attributes": table.attributes}))
