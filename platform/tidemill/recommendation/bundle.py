"""The recommender bundle: one ONNX file that turns histories into the best items.

Inputs (n users, L items of history, E exclusions, I items of the model):
    history   int64 [n, L]         positions in the model's item list, latest first, -1 where none
    facts     float32 [n, L, 7]    interests.FACTS of each item of the history, 0 where none
    activity  float32 [n, 5]       interests.ACTIVITY
    context   int64 [n]            position in the model's list of contexts, -1 for none
    allowed   bool [m, I]          what may be offered; m is n, or 1 for all alike
    excluded  int64 [n, E]         what may not be offered to each user, -1 where none
    k         int64 [1]            at most I; 0 asks a factored model for its query and repeat alone
Outputs:
    item      int64 [n, k]         best first; -1 where nothing more may be offered
    score     float32 [n, k]       probability (times value, for offers); 0 where item is -1
A model whose ranking is an inner product can be searched approximately. It has three more outputs:
    query         float32 [n, d]
    item_vectors  float32 [I, d]   constant; query @ item_vectors.T orders new items as scores do
    repeat        float32 [n, L]   log odds of the history's own items, in the same unit
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tidemill.bundle import METADATA_KEY, BundleMetadata, read_metadata
from tidemill.errors import BundleError
from tidemill.recommendation.interests import InterestDefinition
from tidemill.segmentation.bundle import (
    SegmentationMetadata,
    is_segmentation,
    read_segmentation,
)

HISTORY, FACTS_INPUT, ACTIVITY_INPUT, CONTEXT = "history", "facts", "activity", "context"
ALLOWED, EXCLUDED, COUNT = "allowed", "excluded", "k"
ITEM_OUTPUT, SCORE_OUTPUT = "item", "score"
QUERY_OUTPUT, VECTORS_OUTPUT, REPEAT_OUTPUT = "query", "item_vectors", "repeat"
ITEMS_FILE = "items.json"
"""Beside the model, for people and reports; the server reads the model alone."""


class RecommenderMetadata(BaseModel):
    """What a served recommender must know about itself. Stored as JSON in the ONNX metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Literal["recommender"] = "recommender"
    objective: str
    objective_hash: str
    interests: InterestDefinition
    items: tuple[str, ...]
    """What the positions in the graph stand for."""
    contexts: tuple[str, ...]
    count: int
    """Items in an answer unless the request says otherwise."""
    at_most: dict[str, int]
    """Most items of one list that share a value of an attribute, `item.<name>`."""
    randomise: float
    """Share of answers in which the first item changes places with a random one."""
    repeats: bool
    """Whether items of the user's own history may be offered."""
    is_factored: bool
    """Whether the graph has the outputs that approximate search needs."""
    model: str
    """Name of the winning candidate."""
    horizon_days: float
    metrics: dict[str, float]
    training_cutoffs: tuple[str, ...]
    """ISO 8601 instants, UTC."""
    test_cutoffs: tuple[str, ...]
    data_fingerprint: str
    seed: int
    packages: dict[str, str]

    def to_properties(self) -> dict[str, str]:
        return {METADATA_KEY: self.model_dump_json()}


AnyMetadata = BundleMetadata | RecommenderMetadata | SegmentationMetadata


def read_any_metadata(properties: Mapping[str, str], source: str) -> AnyMetadata:
    """Parse the custom metadata map of an ONNX model, whatever it does.

    Raises BundleError when the file was not written by Tidemill or by an unknown version of it.
    """
    if is_segmentation(properties):
        return read_segmentation(properties, source)
    raw = properties.get(METADATA_KEY)
    if raw is None or not _is_recommender(raw):
        return read_metadata(properties, source)
    try:
        return RecommenderMetadata.model_validate_json(raw)
    except ValidationError as error:
        raise BundleError(
            f"{source}: metadata does not fit this version of Tidemill: {error}",
            hint="retrain the objective with `tidemill train OBJECTIVE`",
        ) from error


def _is_recommender(raw: str) -> bool:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return isinstance(document, dict) and document.get("kind") == "recommender"
