"""The segmentation bundle: one ONNX file that puts a user into a segment.

Input `features`: float32 [n, len(features)], raw values, NaN where a value does not exist.
Outputs, [n]:
    segment     int64    position in the bundle's segments
    distance    float32  to the centre, in standard deviations of users within segments
    confidence  float32  how much nearer that centre is than the next: 0 halfway, 1 at the centre
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tidemill.bundle import METADATA_KEY, PopulationRule
from tidemill.errors import BundleError

SEGMENT_OUTPUT, DISTANCE_OUTPUT, CONFIDENCE_OUTPUT = "segment", "distance", "confidence"
KIND = "segmentation"


class Segment(BaseModel):
    """One kind of users."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Stays the same over trainings for as long as mostly the same users are in it: `S1`."""
    name: str
    """What sets it apart, in words."""
    share: float
    """Of the users at training time."""
    users: int
    jaccard: float
    """Mean overlap with its most similar segment in bootstrap samples, 0 to 1."""


class SegmentationMetadata(BaseModel):
    """What served segments must know about themselves. Stored as JSON in the ONNX metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Literal["segmentation"] = "segmentation"
    objective: str
    objective_hash: str
    feature_view: str
    features: tuple[str, ...]
    population: PopulationRule
    segments: tuple[Segment, ...]
    """By position in the graph."""
    next_number: int
    """Of the next new segment: ids of segments that are gone are not used again."""
    horizon_days: float = 0.0
    """Segments say what is, not what will be."""
    metrics: dict[str, float]
    training_cutoffs: tuple[str, ...]
    """ISO 8601 instants, UTC: of the users that were divided."""
    test_cutoffs: tuple[str, ...]
    """The same: segments are judged by the users they were found among."""
    data_fingerprint: str
    seed: int
    packages: dict[str, str]

    def to_properties(self) -> dict[str, str]:
        return {METADATA_KEY: self.model_dump_json()}


def is_segmentation(properties: Mapping[str, str]) -> bool:
    """Whether an ONNX model's custom metadata map is of a model that puts users into segments."""
    try:
        document = orjson.loads(properties.get(METADATA_KEY, "null"))
    except orjson.JSONDecodeError:
        return False
    return isinstance(document, dict) and document.get("kind") == KIND


def read_segmentation(properties: Mapping[str, str], source: str) -> SegmentationMetadata:
    """Raises BundleError when it was written by an unknown version of Tidemill."""
    try:
        return SegmentationMetadata.model_validate_json(properties[METADATA_KEY])
    except ValidationError as error:
        raise BundleError(
            f"{source}: metadata does not fit this version of Tidemill: {error}",
            hint="retrain the objective with `tidemill train OBJECTIVE`",
        ) from error
