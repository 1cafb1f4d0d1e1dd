"""Open Inference Protocol tensors of recommendations.

Inputs, one of: `user_id` BYTES [n] or [n, 1], or `items` BYTES [n, m], the items that anonymous
visitors looked at, latest first, "" where there are fewer. Parameters: `k`, `filters`, `exclude`,
`context`. Outputs [n, k]: `item_id` BYTES, `score` FP32, `probability` FP32; [n]: `model_version`
BYTES, `cold_start` BOOL, `is_cut` BOOL, `fallback` BYTES, `arm` BYTES, "" outside experiments. Who
is in an arm that is given nothing has no items and version "".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from tidemill_serving.errors import RequestError, show
from tidemill_serving.recommendation_query import (
    MAX_SESSION_ITEMS,
    RecommendationQuery,
    check_rows,
    check_session,
    read_options,
)
from tidemill_serving.recommended import Recommendations
from tidemill_serving.tensors import (
    OF_THE_PROTOCOL,
    USER_INPUT,
    Tensor,
    arm_values,
    check_ids,
    only_tensor,
    read_texts,
    read_user_ids,
    shape_error,
)

ITEMS_INPUT = "items"
OUTPUTS = {
    "item_id": "BYTES",
    "score": "FP32",
    "probability": "FP32",
    "model_version": "BYTES",
    "cold_start": "BOOL",
    "is_cut": "BOOL",
    "fallback": "BYTES",
    "arm": "BYTES",
}
LISTS = ("item_id", "score", "probability")
"""Outputs with one value for each position."""


def read_recommendation(
    tensors: Sequence[Tensor], parameters: Mapping[str, Any]
) -> RecommendationQuery:
    """The question in a request's tensors and parameters. Raises RequestError."""
    options = read_options(parameters, OF_THE_PROTOCOL)
    tensor = only_tensor(tensors, USER_INPUT, ITEMS_INPUT)
    if tensor.name == USER_INPUT:
        users = read_user_ids(tensor)
        check_rows(len(users), USER_INPUT)
        check_ids(users, USER_INPUT)
        return RecommendationQuery(users, options=options)
    sessions = _read_sessions(tensor)
    return RecommendationQuery([None] * len(sessions), dict(enumerate(sessions)), options)


def list_values(answer: Recommendations) -> dict[str, list[Any] | NDArray[Any]]:
    """Values of every output, ready for JSON, row by row."""
    return {
        "item_id": answer.items.ravel().tolist(),
        "score": answer.scores.ravel(),
        "probability": answer.probabilities.ravel(),
        "model_version": answer.versions,
        "cold_start": answer.cold_start,
        "is_cut": answer.is_cut,
        "fallback": answer.fallback,
        "arm": arm_values(answer.exposed, len(answer.users)),
    }


def _read_sessions(tensor: Tensor) -> list[list[str]]:
    if len(tensor.shape) != 2:
        raise shape_error(tensor, "[n, m]")
    count, width = tensor.shape
    check_rows(count, ITEMS_INPUT)
    if not 1 <= width <= MAX_SESSION_ITEMS:
        raise RequestError(
            f"{ITEMS_INPUT}: {show(width)} items a row", f"send 1 to {MAX_SESSION_ITEMS}"
        )
    texts = read_texts(tensor)
    rows = [texts[at : at + width] for at in range(0, len(texts), width)]
    return [
        check_session([item for item in row if item != ""], f"{ITEMS_INPUT}[{at}]")
        for at, row in enumerate(rows)
    ]
