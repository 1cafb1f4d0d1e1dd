"""Answers about many users in one go, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import Progress

from tidemill.errors import TidemillError
from tidemill_serving.errors import UnavailableError
from tidemill_serving.predictor import Predictor
from tidemill_serving.recommendation_query import RecommendationQuery
from tidemill_serving.recommendation_v1 import lists_of
from tidemill_serving.recommended import Recommendations
from tidemill_serving.repository import Answered, Served
from tidemill_serving.rest_v1 import in_experiment, scores_of
from tidemill_serving.segment_v1 import segments_of
from tidemill_serving.segmenter import Segmented, Segmenter
from tidemill_serving.stored_rows import Query
from tidemill_serving.tensors import check_users
from tidemill_serving.valuer import values_of

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1_000


def predict_users(served: Served, users: Sequence[str]) -> Iterator[Answered]:
    """Answers about `users` in their order, batch by batch. Raises RequestError for a bad id."""
    check_users(users, "users")
    for at in range(0, len(users), _BATCH_ROWS):
        yield _ask(served, users[at : at + _BATCH_ROWS])


def predict_all(served: Served, progress: Progress) -> Iterator[Answered]:
    """Answers about everybody in the online store, by user id, batch by batch."""
    users = served.everybody()
    if not users:
        raise UnavailableError(
            f"no user of '{served.model.name}' in the online store",
            "fill it with `tidemill features materialize`",
        )
    batches = range(0, len(users), _BATCH_ROWS)
    for at in progress.track(batches, description="scoring"):
        yield _ask(served, users[at : at + _BATCH_ROWS])


def write_parquet(answers: Iterable[Answered], path: Path) -> int:
    """Write answers as they come, and return the number of rows. The file appears once whole.

    Scores have one row a user: user_id, score, grade, model_version, arm, cold_start,
    prediction_id. Values have purchases, lower and upper besides. Segments too have one row a user,
    with segment, name, distance and confidence instead of score, grade and arm. Recommendations
    have one row an item: user_id, position (from 1), item_id, score, probability, model_version,
    arm, cold_start, prediction_id. Outside experiments arm is null.
    """
    import pyarrow.parquet as pq

    if not path.parent.is_dir():
        raise TidemillError(
            f"there is no folder {path.parent}", hint="make it, or name another file"
        )
    draft = path.with_name(f".{path.name}.part")
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for table in map(_table, answers):
            writer = writer or pq.ParquetWriter(draft, table.schema)
            writer.write_table(table)
            rows += table.num_rows
    except BaseException:  # even an interrupt must not leave a draft; raised again
        if writer is not None:
            writer.close()
        draft.unlink(missing_ok=True)
        raise
    if writer is not None:
        writer.close()
        draft.replace(path)
    return rows


def rows_of(answer: Answered) -> list[dict[str, Any]]:
    """One object for each user, for people and for JSON."""
    if isinstance(answer, Segmented):
        return segments_of(answer)
    if isinstance(answer, Recommendations):
        rows = lists_of(answer)
    else:
        rows = values_of(answer) if answer.more else scores_of(answer)
    predictions: list[dict[str, Any]] = in_experiment(answer.exposed, answer.prediction_id, rows)[
        "predictions"
    ]
    return predictions


def _ask(served: Served, users: Sequence[str]) -> Answered:
    if isinstance(served, Predictor | Segmenter):
        return served.predict(Query(users=users))
    return served.predict(RecommendationQuery(users))


def _table(answer: Answered) -> pa.Table:
    import pyarrow as pa

    about = {
        "model_version": pa.string(),
        "arm": pa.string(),
        "cold_start": pa.bool_(),
        "prediction_id": pa.string(),
    }
    if isinstance(answer, Recommendations):
        types = {
            "user_id": pa.string(),
            "position": pa.int32(),
            "item_id": pa.string(),
            "score": pa.float32(),
            "probability": pa.float32(),
        }
        columns = _item_columns(answer)
    elif isinstance(answer, Segmented):
        types = {
            "user_id": pa.string(),
            "segment": pa.string(),
            "name": pa.string(),
            "distance": pa.float32(),
            "confidence": pa.float32(),
        }
        columns = {
            "user_id": answer.users,
            "segment": answer.segments,
            "name": answer.names,
            "distance": answer.distances,
            "confidence": answer.confidences,
            "cold_start": answer.cold_start,
        }
    else:
        types = {"user_id": pa.string(), "score": pa.float64(), "grade": pa.string()}
        columns = {
            "user_id": answer.users,
            "score": answer.scores,
            "grade": answer.grades,
            "model_version": answer.versions,
            "arm": answer.exposed.arms or [None] * len(answer.users),
            "cold_start": answer.cold_start,
        }
        types |= dict.fromkeys(answer.more, pa.float64())
        columns |= answer.more
    columns["prediction_id"] = [answer.prediction_id] * len(columns["user_id"])
    return pa.table(columns, schema=pa.schema({**types, **about}))


def _item_columns(answer: Recommendations) -> dict[str, Any]:
    """One entry for each item that is there."""
    there = np.arange(answer.items.shape[1]) < answer.lengths[:, None]
    row, position = np.nonzero(there)
    rows, arms = row.tolist(), answer.exposed.arms
    return {
        "user_id": [answer.users[at] for at in rows],
        "position": position + 1,
        "item_id": answer.items[there].tolist(),
        "score": answer.scores[there],
        "probability": answer.probabilities[there],
        "model_version": [answer.versions[at] for at in rows],
        "arm": [arms[at] if arms else None for at in rows],
        "cold_start": answer.cold_start[row],
    }
