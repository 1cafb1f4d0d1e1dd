"""Scores a challenger on what the champion has answered, without anybody waiting for it.

The champion's record is offered after it is on the log. A thread scores it and writes the same
record with the challenger's scores, without the vectors, to a log of its own: the two are joined by
their id, and no reader of the prediction log sees the challenger's. What comes too fast is let go.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from queue import Empty, Full, Queue
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from tidemill.home import Home
from tidemill.online import OnlineReader, open_online_reader
from tidemill.predictions import PredictionLog, Predictions
from tidemill_serving.model import Model

logger = logging.getLogger("tidemill.serving")
_MOST_WAITING = 64
_MOST_ROWS = 1_000
"""Of one request; with _MOST_WAITING it bounds the memory, and whole populations are no traffic."""


class Shadow:
    """A challenger and its thread."""

    def __init__(self, model: Model, home: Home) -> None:
        self.model = model
        self._home = home
        self._log = PredictionLog(home.shadow_predictions(model.metadata.objective))
        self._waiting: Queue[Predictions | None] = Queue(_MOST_WAITING)
        self._reader: OnlineReader | None = None
        self._complained = False
        Thread(target=self._work, name="shadow", daemon=True).start()

    def offer(self, answered: Predictions) -> None:
        """Have it scored some time, or never. Neither waits nor raises."""
        if len(answered.users) <= _MOST_ROWS:
            with suppress(Full):
                self._waiting.put_nowait(answered)

    def close(self) -> None:
        """End the thread; what still waits is let go."""
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        with suppress(Full):
            self._waiting.put_nowait(None)

    def _work(self) -> None:
        while (answered := self._waiting.get()) is not None:
            try:
                self._score(answered)
            except Exception:  # whatever is wrong with a challenger, the champion goes on
                if not self._complained:
                    logger.exception("%s: version %s fails", *self._name())
                self._complained = True
        self._log.close()

    def _name(self) -> tuple[str, str]:
        return f"shadow of {self.model.name}", self.model.version

    def _score(self, answered: Predictions) -> None:
        if answered.feature_hash == self.model.feature_hash:
            vectors, known = answered.vectors, ~answered.cold_start
        elif None not in answered.users:
            vectors, known = self._own_rows([user for user in answered.users if user is not None])
        else:
            return  # vectors that a caller brought, in a layout the challenger does not read
        scores = np.where(known, self.model.score(vectors), self.model.metadata.base_rate)
        record = replace(
            answered,
            model_version=self.model.version,
            feature_hash=self.model.feature_hash,
            scores=scores,
            grades=[],
            vectors=np.empty((len(scores), 0), dtype=np.float32),
        )
        self._log.append(record)

    def _own_rows(self, users: list[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if self._reader is None:
            metadata = self.model.metadata
            self._reader = open_online_reader(self._home, metadata.feature_view, metadata.features)
        rows = self._reader.read(users)
        return rows.vectors, rows.found
