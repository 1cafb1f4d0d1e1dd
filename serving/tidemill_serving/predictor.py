"""From a question to a logged answer. Knows nothing of HTTP or gRPC."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import TidemillError
from tidemill.experiments.logged import OUTSIDE, Exposed, exposed
from tidemill.grading import letters
from tidemill.home import Home
from tidemill.predictions import encode_predictions
from tidemill.segments import SegmentLog
from tidemill_serving.arms import Arms, Group
from tidemill_serving.errors import UnavailableError
from tidemill_serving.model import Model
from tidemill_serving.population import served_thresholds
from tidemill_serving.scored import Scored, as_arms_say, joined, record_of
from tidemill_serving.shadow import Shadow
from tidemill_serving.stored_rows import Query, StoredRows

# Ids are unique without asking the kernel for randomness at every request.
_PROCESS = secrets.token_hex(12)
_COUNTER = count()
_UPDATES_SECONDS = 300.0
"""How long grades may keep their cut points while rows change one by one."""


class Answer(NamedTuple):
    """Scores in the order of the question."""

    prediction_id: str
    model_name: str
    model_version: str
    """The live model's; in an experiment, `versions` says who answered."""
    users: Sequence[str | None]
    scores: NDArray[np.float64]
    """NaN for who is given none."""
    grades: list[str]
    """"" for who is given none."""
    cold_start: NDArray[np.bool_]
    versions: list[str]
    """[n]; "" for who is given nothing."""
    exposed: Exposed = OUTSIDE
    more: Mapping[str, NDArray[np.float64]] = MappingProxyType({})
    """What else the model says about each user, by the name of its output."""


def new_prediction_id() -> str:
    """32 hex digits that no other answer has."""
    return f"{_PROCESS}{next(_COUNTER):08x}"


class LogWriteError(UnavailableError):
    """The prediction could not be made durable, so it is not given out."""


class ModelOutputError(TidemillError):
    """The model answered with something that is not a probability."""


class ThreadLogs:
    """One objective's prediction log, a segment for each thread. Outlives the models."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = threading.local()

    def append(self, frame: bytes) -> None:
        """Durable against process death on return. Raises OSError when the disk refuses."""
        log: SegmentLog | None = getattr(self._own, "log", None)
        if log is None:
            log = self._own.log = SegmentLog(self._folder)
        log.write(frame)


_Parts = tuple[list[Scored], Scored]
"""As each model answered, and all in the order of the question."""


class Predictor:
    """One model with its online features and its prediction log.

    Each thread gets a reader and a log segment of its own, so nothing on the path to an answer
    waits for a lock.
    """

    when_stale = "grades keep their cut points"

    def __init__(
        self, model: Model, home: Home, logs: ThreadLogs, shadow: Shadow | None = None
    ) -> None:
        self.model = model
        self.shadow = shadow
        self.logs = logs
        self._stored = StoredRows(home, model.metadata.feature_view, model.metadata.features)
        self.arms: Arms[Predictor] | None = None
        self._thresholds = self._rule_thresholds = model.metadata.grade_thresholds
        self._generation = self._updates = -1
        self._refreshed = 0.0

    def predict(self, query: Query, prediction_id: str | None = None) -> Answer:
        """Score, grade and log. Raises UnavailableError when features or log are out of reach."""
        requested_at = time.time_ns() // 1_000
        arms = self.arms
        if arms is None:
            parts = [self.score(query)]
            whole = parts[0]
        else:
            parts, whole = self._score_arms(arms, query, requested_at)
        answer = Answer(
            prediction_id=prediction_id or new_prediction_id(),
            model_name=self.model.name,
            model_version=self.model.version,
            users=whole.users,
            scores=whole.scores,
            grades=whole.grades,
            cold_start=~whole.rows.found,
            versions=whole.versions,
            exposed=whole.exposed,
            more=whole.more,
        )
        self._record(answer.prediction_id, parts, requested_at)
        return answer

    def score(self, query: Query) -> Scored:
        """Score and grade, whatever experiment runs. Raises as `predict` does."""
        users, rows = self._stored.read(query)
        scores = self.model.score(rows.vectors)
        if np.count_nonzero(rows.found) < len(rows.found):
            scores = np.where(rows.found, scores, self.model.metadata.base_rate)
        values = scores.tolist()
        if not math.isfinite(sum(values)):
            raise ModelOutputError(f"{self.model.name} {self.model.version}: score is not finite")
        versions = [self.model.version] * len(values)
        return Scored(self.model, users, rows, scores, letters(values, self._thresholds), versions)

    def take_part(self, arms: Arms[Predictor] | None) -> None:
        """Answer from now on as an experiment says, or without one."""
        self.arms = arms

    def refresh(self) -> None:
        """Follow the served population when the online store has changed. Slow; not for requests.

        A batch is followed at once; updates of some users, which move the population little by
        little, every few minutes. Raises OnlineStoreError when the store cannot be read.
        """
        reader = self._stored.reader()
        generation, updates = reader.generation(), reader.updates()
        is_due = time.monotonic() - self._refreshed >= _UPDATES_SECONDS
        if generation != self._generation or (is_due and updates != self._updates):
            self._thresholds, self._rule_thresholds = served_thresholds(self.model, reader)
            self._generation, self._updates = generation, updates
            self._refreshed = time.monotonic()
        for other in () if self.arms is None else self.arms.others.values():
            other.refresh()

    def everybody(self) -> list[str]:
        """Users of the online store, sorted. Raises OnlineStoreError."""
        return self._stored.everybody()

    def _score_arms(self, arms: Arms[Predictor], query: Query, requested_at: int) -> _Parts:
        """Everybody as the arm says; feature rows that the caller brings are nobody's."""
        if query.users is None:
            scored = self.score(query)
            nobody = exposed(arms.experiment.name, [None] * len(scored.users))
            part = scored._replace(exposed=nobody)
            return [part], part
        groups = arms.split(query.users, requested_at)
        parts = [self._score_group(group, query.users) for group in groups]
        return parts, joined(parts, [group.places for group in groups])

    def _score_group(self, group: Group[Predictor], users: Sequence[str]) -> Scored:
        query = Query(users=[users[place] for place in group.places])
        if group.by is not None:
            return group.by.score(query)._replace(exposed=group.exposed)
        return as_arms_say(self.score(query), group.exposed, self._rule_thresholds)

    def _record(self, prediction_id: str, parts: Sequence[Scored], requested_at: int) -> None:
        records = [record_of(part, prediction_id, requested_at) for part in parts]
        try:
            self.logs.append(b"".join(map(encode_predictions, records)))
        except OSError as error:
            raise LogWriteError(
                "the prediction log cannot be written, so no prediction is given", "try again"
            ) from error
        if self.shadow is None:
            return
        for part, record in zip(parts, records, strict=True):
            if part.model is self.model:
                self.shadow.offer(record)
