"""Answers about segments in V1 REST, and as the outputs of V2. Questions are those of scores."""

from __future__ import annotations

from typing import Any

import orjson
from numpy.typing import NDArray

from tidemill_serving.segmenter import Segmented

OUTPUTS = {
    "segment": "BYTES",
    "name": "BYTES",
    "distance": "FP32",
    "confidence": "FP32",
    "model_version": "BYTES",
    "cold_start": "BOOL",
}


def encode_segments(answer: Segmented) -> bytes:
    """One object for each instance, in order."""
    return orjson.dumps({"prediction_id": answer.prediction_id, "predictions": segments_of(answer)})


def segments_of(answer: Segmented) -> list[dict[str, Any]]:
    """One object for each user; what says where they belong is null when nothing is known."""
    columns = zip(
        answer.users,
        answer.segments,
        answer.names,
        answer.distances.tolist(),
        answer.confidences.tolist(),
        answer.cold_start.tolist(),
        strict=True,
    )
    return [
        {
            "user_id": user,
            "segment": segment or None,
            "name": name or None,
            "distance": distance if segment else None,
            "confidence": confidence if segment else None,
            "model_version": answer.model_version,
            "cold_start": cold,
        }
        for user, segment, name, distance, confidence, cold in columns
    ]


def segment_values(answer: Segmented) -> dict[str, list[Any] | NDArray[Any]]:
    """Values of every output; "" and NaN, null in JSON, where nothing is known."""
    return {
        "segment": answer.segments,
        "name": answer.names,
        "distance": answer.distances,
        "confidence": answer.confidences,
        "model_version": [answer.model_version] * len(answer.segments),
        "cold_start": answer.cold_start,
    }
