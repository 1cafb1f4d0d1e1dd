"""From whom to put into a segment to a logged answer. Knows nothing of HTTP or gRPC."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.home import Home
from tidemill.online import OnlineRows
from tidemill.predictions import Predictions, encode_predictions
from tidemill_serving.predictor import (
    LogWriteError,
    ModelOutputError,
    ThreadLogs,
    new_prediction_id,
)
from tidemill_serving.segment_model import SegmentModel
from tidemill_serving.stored_rows import Query, StoredRows

_UNKNOWN = np.float32(np.nan)
"""Zero would say that somebody is right at the centre."""


class Segmented(NamedTuple):
    """Segments in the order of the question; "" and NaN for who nothing is known of."""

    prediction_id: str
    model_name: str
    model_version: str
    users: Sequence[str | None]
    segments: list[str]
    """Ids that stay the same over trainings."""
    names: list[str]
    distances: NDArray[np.float32]
    confidences: NDArray[np.float32]
    cold_start: NDArray[np.bool_]


class Segmenter:
    """One model with its online features and its prediction log."""

    when_stale = "segments stay as they were"
    arms: None = None
    """No experiment is about segments; the schema refuses it."""

    def __init__(self, model: SegmentModel, home: Home, logs: ThreadLogs) -> None:
        self.model = model
        self.logs = logs
        metadata = model.metadata
        self._stored = StoredRows(home, metadata.feature_view, metadata.features)
        # The last entry is of those of whom nothing is known.
        self._ids = np.array([*(each.id for each in metadata.segments), ""], dtype=object)
        self._names = np.array([*(each.name for each in metadata.segments), ""], dtype=object)

    def predict(self, query: Query, prediction_id: str | None = None) -> Segmented:
        """Assign and log. Raises UnavailableError when features or log are out of reach."""
        requested_at = time.time_ns() // 1_000
        users, rows = self._stored.read(query)
        found = self.model.assign(rows.vectors)
        if not np.isfinite(found.distance.sum()):
            raise ModelOutputError(
                f"{self.model.name} {self.model.version}: distance is not finite"
            )
        place = np.where(rows.found, found.segment, -1)
        segmented = Segmented(
            prediction_id=prediction_id or new_prediction_id(),
            model_name=self.model.name,
            model_version=self.model.version,
            users=users,
            segments=self._ids[place].tolist(),
            names=self._names[place].tolist(),
            distances=np.where(rows.found, found.distance, _UNKNOWN),
            confidences=np.where(rows.found, found.confidence, _UNKNOWN),
            cold_start=~rows.found,
        )
        self._record(segmented, rows, requested_at)
        return segmented

    def refresh(self) -> None:
        """Nothing to follow: segments are as they were found until the next training."""

    def everybody(self) -> list[str]:
        """Users of the online store, sorted. Raises OnlineStoreError."""
        return self._stored.everybody()

    def _record(self, segmented: Segmented, rows: OnlineRows, requested_at: int) -> None:
        """The segment stands where scores have their grade, its confidence for the score."""
        record = Predictions(
            prediction_id=segmented.prediction_id,
            requested_at=requested_at,
            objective=self.model.metadata.objective,
            model_version=segmented.model_version,
            feature_hash=self.model.feature_hash,
            users=segmented.users,
            cutoffs=rows.cutoffs,
            cold_start=segmented.cold_start,
            scores=segmented.confidences.astype(np.float64),
            grades=segmented.segments,
            vectors=rows.vectors,
        )
        try:
            self.logs.append(encode_predictions(record))
        except OSError as error:
            raise LogWriteError(
                "the prediction log cannot be written, so no segment is given", "try again"
            ) from error
