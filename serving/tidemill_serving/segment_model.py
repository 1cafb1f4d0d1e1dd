"""One segmentation bundle, loaded, checked and warm.

Inputs and outputs of its graph are described in tidemill.segmentation.bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import INPUT_NAME
from tidemill.errors import BundleError
from tidemill.predictions import hash_features
from tidemill.segmentation.bundle import (
    CONFIDENCE_OUTPUT,
    DISTANCE_OUTPUT,
    SEGMENT_OUTPUT,
    SegmentationMetadata,
)

_WARM_UP_RUNS = 3
_OUTPUTS = [SEGMENT_OUTPUT, DISTANCE_OUTPUT, CONFIDENCE_OUTPUT]


class Assigned(NamedTuple):
    """Of some users, each [n]."""

    segment: NDArray[np.int64]
    """Position in the model's segments."""
    distance: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class SegmentModel:
    """A bundle that has answered once. `assign` may be called from any thread."""

    name: str
    version: str
    metadata: SegmentationMetadata
    feature_hash: str
    run: Callable[..., Any]
    """The session's native run. Its Python wrapper checks again what the warm-up has shown."""

    def assign(self, vectors: NDArray[np.float32]) -> Assigned:
        """The segment of each row of `vectors` [n, features]."""
        return Assigned(*self.run(_OUTPUTS, {INPUT_NAME: vectors}, None))


def load_segmentation(
    session: Any, metadata: SegmentationMetadata, name: str, version: str, path: Path
) -> SegmentModel:
    """The model in an open session. Raises BundleError when it cannot serve."""
    features = hash_features(metadata.features)
    model = SegmentModel(name, version, metadata, features, session._sess.run)
    _warm_up(model, path)
    return model


def _warm_up(model: SegmentModel, path: Path) -> None:
    """The first run allocates; do it before traffic, and refuse a model that answers nonsense."""
    rows = np.zeros((2, len(model.metadata.features)), dtype=np.float32)
    rows[1] = np.nan
    try:
        for _ in range(_WARM_UP_RUNS):
            found = model.assign(rows)
    except Exception as error:  # ONNX Runtime has no common exception class
        raise BundleError(
            f"{path} cannot divide users by {rows.shape[1]} features: {error}",
            hint="retrain with `tidemill train OBJECTIVE`",
        ) from error
    is_known = (found.segment >= 0) & (found.segment < len(model.metadata.segments))
    if is_known.shape != (2,) or not is_known.all() or not np.isfinite(found.distance).all():
        raise BundleError(
            f"{path}: segments of a zero row and an empty row are {found.segment.tolist()} at "
            f"distances {found.distance.tolist()}, expected 2 of {len(model.metadata.segments)}",
            hint="retrain with `tidemill train OBJECTIVE`",
        )
