"""Scoring many users in one go, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill_serving.errors import UnavailableError
from tidemill_serving.predictor import Answer, Predictor, Query
from tidemill_serving.tensors import check_users

_BATCH_ROWS = 1_000


def predict_users(predictor: Predictor, users: Sequence[str]) -> list[Answer]:
    """Answers of `users` in their order. Raises RequestError for a bad id."""
    check_users(users, "users")
    return [predictor.predict(Query(users=users))]


def predict_all(predictor: Predictor, home: Home, progress: Progress) -> list[Answer]:
    """Answers of everybody in the online store, by user id, one for each batch."""
    metadata = predictor.model.metadata
    users = open_online_reader(home, metadata.feature_view, metadata.features).entities()
    if not users:
        raise UnavailableError(
            f"no user in the online view '{metadata.feature_view}'",
            "fill it with `tidemill features materialize`",
        )
    batches = range(0, len(users), _BATCH_ROWS)
    return [
        predictor.predict(Query(users=users[at : at + _BATCH_ROWS]))
        for at in progress.track(batches, description="scoring")
    ]


def write_parquet(answers: Sequence[Answer], path: Path) -> None:
    """One row a user: user_id, score, grade, model_version, cold_start, prediction_id."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [
        pa.table(
            {
                "user_id": pa.array(answer.users, pa.string()),
                "score": answer.scores,
                "grade": answer.grades,
                "model_version": [answer.model_version] * len(answer.grades),
                "cold_start": answer.cold_start,
                "prediction_id": [answer.prediction_id] * len(answer.grades),
            }
        )
        for answer in answers
    ]
    if not path.parent.is_dir():
        raise TidemillError(
            f"there is no folder {path.parent}", hint="make it, or name another file"
        )
    pq.write_table(pa.concat_tables(tables), path)
