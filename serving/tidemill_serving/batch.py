"""Answers about many users in one go, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

from rich.progress import Progress

from tidemill.errors import TidemillError
from tidemill_serving.columns import table_of
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
    """Write answers, at least one, as they come, and return the number of rows.

    The columns are those of `columns.table_of`, and the file appears once whole. Nobody is asked
    before there is a file to write to. Raises TidemillError when there can be none.
    """
    draft = path.with_name(f".{path.name}.part")
    file = _opened(draft, path)
    try:
        with file:
            rows = _write(answers, file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)  # even an interrupt must not leave one
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


def _write(answers: Iterable[Answered], file: IO[bytes]) -> int:
    import pyarrow.parquet as pq

    tables = map(table_of, answers)
    first = next(tables)
    rows = 0
    with pq.ParquetWriter(file, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
            rows += table.num_rows
    return rows


def _opened(draft: Path, path: Path) -> IO[bytes]:
    """The draft of the file at `path`, open for writing."""
    try:
        if path.is_dir():
            raise TidemillError(f"{path} is a folder", hint="name a file in it")
        return draft.open("wb")
    except FileNotFoundError as error:
        raise TidemillError(
            f"there is no folder {path.parent}", hint="make it, or name another file"
        ) from error
    except OSError as error:
        raise TidemillError(
            f"{path} cannot be written: {error.strerror}", hint="name another file"
        ) from error
