"""What a division is worth: the segments described, their ids, and whether they are real."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import MODEL_FILE
from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.objective import Objective
from tidemill.segmentation.bundle import (
    SegmentationMetadata,
    is_segmentation,
    read_segmentation,
)
from tidemill_pipelines.dataset import CURRENT, TRAIN, Rows, read_split
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.segmenting.factors import factor_columns
from tidemill_pipelines.segmenting.graph import divide
from tidemill_pipelines.segmenting.kmeans import Labels
from tidemill_pipelines.segmenting.matching import Ids, first_ids, matched_ids
from tidemill_pipelines.segmenting.naming import names, standings
from tidemill_pipelines.segmenting.notes import SegmentNotes, read_notes
from tidemill_pipelines.segmenting.partners import adjusted_rand
from tidemill_pipelines.segmenting.readiness import declared_segmentation
from tidemill_pipelines.segmenting.training import factor_values, model_features, model_rows


@dataclass(frozen=True)
class SegmentEvaluation:
    """What is written beside the model; names and meaning are those of its JSON."""

    is_real: bool
    verdict: str
    champion_version: str | None
    metrics: dict[str, float]
    segments: list[dict[str, Any]]
    """`id`, `name`, `users`, `share`, `jaccard`, `nearest_gap`, `factors` (see Standing), by
    position in the graph."""
    tried: list[dict[str, Any]]
    """Every number of segments that was tried."""
    next_number: int
    kept: dict[str, float]
    """Ids that stay, with the overlap of their users."""
    gone: list[str]
    moved: list[list[int]]
    """Users who were in the population one period before: [segment then, segment now]; empty
    without older data."""


@dataclass(frozen=True)
class _Champion:
    version: str
    metadata: SegmentationMetadata
    labels: Labels


def judge_segments(
    home: Home, objective: Objective, dataset: Path, model: Path
) -> SegmentEvaluation:
    """Describe the division of the current users by the exported file."""
    now, older = (read_split(dataset, split) for split in (CURRENT, TRAIN))
    features, notes = model_features(objective), read_notes(model)
    labels, _, confidence = divide(model, model_rows(now, features))
    champion = _champion(home, objective, now)
    if champion is None:
        ids = first_ids(labels, notes.k)
    else:
        ids = matched_ids(
            labels,
            notes.k,
            champion.labels,
            [each.id for each in champion.metadata.segments],
            champion.metadata.next_number,
        )
    moved = _moved(older, model, features, dict(zip(now.users, labels, strict=True)), notes.k)
    metrics = _metrics(notes, float(confidence.mean()), moved)
    if champion is not None:
        metrics["agreement_with_champion"] = adjusted_rand(labels, champion.labels)
    return SegmentEvaluation(
        is_real=notes.is_real,
        verdict=_verdict(notes, champion, ids),
        champion_version=None if champion is None else champion.version,
        metrics=metrics,
        segments=_described(objective, now, labels, notes, ids),
        tried=notes.tried,
        next_number=ids.next_number,
        kept=ids.kept,
        gone=ids.gone,
        moved=moved.tolist(),
    )


def _champion(home: Home, objective: Objective, now: Rows) -> _Champion | None:
    """None when nothing is live, or nothing that these users can be divided by."""
    try:
        bundle = served_bundle(home, objective.name)
    except BundleError:
        return None
    path = bundle / MODEL_FILE
    properties = open_session(path).get_modelmeta().custom_metadata_map
    if not is_segmentation(properties):
        return None
    metadata = read_segmentation(properties, str(path))
    if not set(now.features) >= set(metadata.features):
        return None
    labels, _, _ = divide(path, model_rows(now, metadata.features))
    return _Champion(bundle.name, metadata, labels)


def _described(
    objective: Objective, now: Rows, labels: Labels, notes: SegmentNotes, ids: Ids
) -> list[dict[str, Any]]:
    columns = factor_columns(declared_segmentation(objective))
    raw = factor_values(now, columns)
    told = [standings(raw, labels == segment, columns) for segment in range(notes.k)]
    sizes = np.bincount(labels, minlength=notes.k)
    return [
        {
            "id": ids.ids[segment],
            "name": name,
            "users": int(sizes[segment]),
            "share": float(sizes[segment] / len(labels)),
            "jaccard": notes.chosen["jaccard"][segment],
            "nearest_gap": max(
                gap["valley"]
                for gap in notes.chosen["gaps"]
                if segment in (gap["first"], gap["second"])
            ),
            "factors": [asdict(each) for each in told[segment]],
        }
        for segment, name in enumerate(names(told))
    ]


def _moved(
    older: Rows, model: Path, features: tuple[str, ...], now: dict[str, int], k: int
) -> NDArray[np.int64]:
    """[segment then, segment now] of the users of both, [k, k]."""
    counts = np.zeros((k, k), dtype=np.int64)
    if len(older.users):
        labels, _, _ = divide(model, model_rows(older, features))
        pairs = [
            (then, now[user])
            for user, then in zip(older.users.tolist(), labels.tolist(), strict=True)
            if user in now
        ]
        np.add.at(counts, tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T), 1)
    return counts


def _metrics(notes: SegmentNotes, confidence: float, moved: NDArray[np.int64]) -> dict[str, float]:
    chosen = notes.chosen
    metrics = {
        "segments": float(notes.k if notes.is_real else 0),
        "lowest_jaccard": min(chosen["jaccard"]),
        "widest_valley": max(gap["valley"] for gap in chosen["gaps"]),
        "mean_confidence": confidence,
    }
    if chosen["agreement"] is not None:
        metrics["agreement_with_older_data"] = chosen["agreement"]
    if moved.any():
        metrics["stayed"] = float(np.trace(moved) / moved.sum())
    return metrics


def _verdict(notes: SegmentNotes, champion: _Champion | None, ids: Ids) -> str:
    chosen = notes.chosen
    if not notes.is_real:
        tried = [each["k"] for each in notes.tried]
        return (
            f"no stable segments: none of {min(tried)} to {max(tried)} segments is real; nearest "
            f"are {notes.k}, but {'; '.join(chosen['faults'])}"
        )
    found = (
        f"{notes.k} segments, each apart from the others and found again in bootstrap samples "
        f"(overlap {min(chosen['jaccard']):.2f} or more"
    )
    if chosen["agreement"] is not None:
        found += f"; agreement with older data {chosen['agreement']:.2f}"
    if champion is None:
        return f"first segmentation; {found})"
    kept = f"{len(ids.kept)} of {len(champion.metadata.segments)} segments of the champion stay"
    return f"{found}); {kept}{', gone: ' + ', '.join(ids.gone) if ids.gone else ''}"
