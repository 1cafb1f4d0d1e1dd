"""One model bundle, loaded, checked and warm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import INPUT_NAME, MODEL_FILE, OUTPUT_NAME, BundleMetadata
from tidemill.errors import BundleError
from tidemill.predictions import hash_features
from tidemill.recommendation.bundle import RecommenderMetadata, read_any_metadata
from tidemill.segmentation.bundle import SegmentationMetadata
from tidemill_serving.recommender_model import RecommenderModel, load_recommender
from tidemill_serving.segment_model import SegmentModel, load_segmentation
from tidemill_serving.sessions import open_session

_WARM_UP_RUNS = 3
_OUTPUTS = [OUTPUT_NAME]


@dataclass(frozen=True)
class Model:
    """A bundle that has answered once. `score` may be called from any thread."""

    name: str
    version: str
    metadata: BundleMetadata
    feature_hash: str
    run: Callable[..., Any]
    """The session's native run. Its Python wrapper checks again what the warm-up has shown."""

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each row of `vectors` [n, features]; shape [n]."""
        scores: NDArray[np.float32] = self.run(_OUTPUTS, {INPUT_NAME: vectors}, None)[0]
        return scores.astype(np.float64)


AnyModel = Model | RecommenderModel | SegmentModel


def load_model(folder: Path, name: str, version: str | None = None) -> AnyModel:
    """Load `folder`/model.onnx and run it. Raises BundleError when it cannot serve.

    Without `version` the model is named by its content, so equal files have equal versions.
    """
    path = folder / MODEL_FILE
    session = open_session(path)
    metadata = read_any_metadata(session.get_modelmeta().custom_metadata_map, str(path))
    version = version or sha256(path.read_bytes()).hexdigest()[:12]
    if isinstance(metadata, RecommenderMetadata):
        return load_recommender(session, metadata, name, version, path)
    if isinstance(metadata, SegmentationMetadata):
        return load_segmentation(session, metadata, name, version, path)
    model = Model(
        name=name,
        version=version,
        metadata=metadata,
        feature_hash=hash_features(metadata.features),
        run=session._sess.run,
    )
    _warm_up(model, path)
    return model


def _warm_up(model: Model, path: Path) -> None:
    """The first run allocates; do it before traffic, and refuse a model that answers nonsense."""
    rows = np.zeros((2, len(model.metadata.features)), dtype=np.float32)
    rows[1] = np.nan
    try:
        for _ in range(_WARM_UP_RUNS):
            scores = model.score(rows)
    except Exception as error:  # ONNX Runtime has no common exception class
        raise BundleError(
            f"{path} cannot score {rows.shape[1]} features: {error}",
            hint="retrain with `tidemill train OBJECTIVE`",
        ) from error
    if scores.shape != (2,) or not np.isfinite(scores).all():
        raise BundleError(
            f"{path}: scores of a zero row and an empty row are {scores.tolist()}, "
            f"expected 2 finite numbers",
            hint="retrain with `tidemill train OBJECTIVE`",
        )
