"""The model bundle: one ONNX file that carries its own description.

Input `features`: float32 [batch, len(features)], raw values, NaN where a value does not exist.
Output `score`: float32 [batch], a probability; with more beside it where it is an expected value
(tidemill.lifetime_value.bundle). No pickle, no side files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tidemill.errors import BundleError
from tidemill.lifetime_value.bundle import ValueFacts

METADATA_KEY = "tidemill.bundle"
MODEL_FILE = "model.onnx"
REFERENCE_FILE = "reference.parquet"
EVALUATION_FILE = "evaluation.json"
INPUT_NAME = "features"
OUTPUT_NAME = "score"
GRADES = ("A", "B", "C", "D")
DEFAULT_GRADE_SHARES = (0.1, 0.2, 0.3)
"""Shares of the scored population graded A, B and C; the rest is D."""


class PopulationRule(BaseModel):
    """Who the objective speaks about: users whose `feature` is at most `max_days`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    max_days: float

    def contains(self, recency: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Members, given the values of `feature`; NaN, for never, is outside."""
        members: NDArray[np.bool_] = recency <= self.max_days
        return members


class RecencyRule(BaseModel):
    """The simple rule a model has to beat: who did it last will do it again, or for the absence of
    an event, who has not for longest will not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    """Days since the user's last target event."""
    absent: bool
    """Whether its absence is predicted."""

    def scores(self, days: NDArray[np.floating]) -> NDArray[np.float64]:
        """1 / (1 + days), or its complement, in [0, 1]; NaN, for never, is for ever ago.

        Numbers to rank users by, and no probabilities.
        """
        recent: NDArray[np.float64] = 1 / (1 + np.nan_to_num(days.astype(np.float64), nan=np.inf))
        return 1 - recent if self.absent else recent


class BundleMetadata(BaseModel):
    """What a served model must know about itself. Stored as JSON in the ONNX metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    objective: str
    objective_hash: str
    feature_view: str
    features: tuple[str, ...]
    horizon_days: float
    population: PopulationRule
    rule: RecencyRule | None = None
    """What an arm of an experiment may be answered by instead; None in older bundles."""
    base_rate: float
    """Share of positives in all labelled windows: the answer for an unknown user."""
    grade_shares: tuple[float, float, float] = DEFAULT_GRADE_SHARES
    grade_thresholds: tuple[float, float, float]
    """Lowest score of A, B, C in the population scored at training time."""
    grade_lift: dict[str, float]
    """Conversion rate of each grade over the base rate, on the test window."""
    metrics: dict[str, float]
    training_cutoffs: tuple[str, ...]
    """ISO 8601 instants, UTC."""
    test_cutoffs: tuple[str, ...]
    data_fingerprint: str
    seed: int
    packages: dict[str, str]
    value: ValueFacts | None = None
    """Of a model whose scores are expected values; None where they are probabilities."""

    def to_properties(self) -> dict[str, str]:
        return {METADATA_KEY: self.model_dump_json()}


def read_metadata(properties: Mapping[str, str], source: str) -> BundleMetadata:
    """Parse the custom metadata map of an ONNX model.

    Raises BundleError when the file was not written by Tidemill or by an unknown version of it.
    """
    raw = properties.get(METADATA_KEY)
    if raw is None:
        raise BundleError(
            f"{source} has no '{METADATA_KEY}' metadata, so it is not a Tidemill bundle",
            hint="train it with `tidemill train OBJECTIVE`",
        )
    try:
        return BundleMetadata.model_validate_json(raw)
    except ValidationError as error:
        raise BundleError(
            f"{source}: metadata does not fit this version of Tidemill: {error}",
            hint="retrain the objective with `tidemill train OBJECTIVE`",
        ) from error
