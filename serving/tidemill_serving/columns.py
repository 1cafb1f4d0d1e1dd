"""Answers as the columns of a file, for each kind of answer. Null is what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidemill_serving.predictor import Answer
from tidemill_serving.recommended import Recommendations
from tidemill_serving.repository import Answered
from tidemill_serving.segmenter import Segmented

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

Columns = dict[str, "pa.Array"]


def table_of(answer: Answered) -> pa.Table:
    """One row a user: user_id, model_version, cold_start and prediction_id, with these between:

    - scores: score, grade, arm; values have purchases, lower and upper besides;
    - segments: segment, name, distance, confidence;
    - recommendations, one row an item: position (from 1), item_id, score, probability, arm.

    Null: the arm outside experiments, what an arm is not given, the segment of whom nothing is
    known.
    """
    import pyarrow as pa

    if isinstance(answer, Segmented):
        columns = _of_segments(answer)
    elif isinstance(answer, Recommendations):
        columns = _of_items(answer)
    else:
        columns = _of_scores(answer)
    table = pa.table(columns)
    ids = pa.array([answer.prediction_id] * table.num_rows, pa.string())
    return table.append_column("prediction_id", ids)


def _of_scores(answer: Answer) -> Columns:
    import pyarrow as pa

    return {
        "user_id": _texts(answer.users),
        "score": _numbers(answer.scores, pa.float64()),
        "grade": _texts(answer.grades),
        **{name: _numbers(values, pa.float64()) for name, values in answer.more.items()},
        "model_version": _texts(answer.versions),
        "arm": _texts(answer.exposed.arms or [None] * len(answer.users)),
        "cold_start": pa.array(answer.cold_start, pa.bool_()),
    }


def _of_segments(answer: Segmented) -> Columns:
    import pyarrow as pa

    return {
        "user_id": _texts(answer.users),
        "segment": _texts(answer.segments),
        "name": _texts(answer.names),
        "distance": _numbers(answer.distances, pa.float32()),
        "confidence": _numbers(answer.confidences, pa.float32()),
        "model_version": _texts([answer.model_version] * len(answer.segments)),
        "cold_start": pa.array(answer.cold_start, pa.bool_()),
    }


def _of_items(answer: Recommendations) -> Columns:
    """One row for each item that is there."""
    import pyarrow as pa

    there = np.arange(answer.items.shape[1]) < answer.lengths[:, None]
    row, position = np.nonzero(there)
    rows, arms = row.tolist(), answer.exposed.arms
    return {
        "user_id": _texts([answer.users[at] for at in rows]),
        "position": pa.array(position + 1, pa.int32()),
        "item_id": _texts(answer.items[there].tolist()),
        "score": _numbers(answer.scores[there], pa.float32()),
        "probability": _numbers(answer.probabilities[there], pa.float32()),
        "model_version": _texts([answer.versions[at] for at in rows]),
        "arm": _texts([arms[at] if arms else None for at in rows]),
        "cold_start": pa.array(answer.cold_start[row], pa.bool_()),
    }


def _texts(values: Sequence[str | None]) -> pa.Array:
    import pyarrow as pa

    return pa.array([value or None for value in values], pa.string())


def _numbers(values: NDArray[Any], datatype: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, datatype, from_pandas=True)  # NaN as null
