"""Requests that wait while a search runs are searched together in the next one.

Nobody is delayed to make a batch larger: a request that comes when nothing runs is searched for at
once. One thread searches, so that the event loop goes on reading requests. Where a search takes
less than handing it over, the caller does it.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from concurrent.futures import Future

from tidemill_serving.merging import Asked
from tidemill_serving.recommender_model import Found
from tidemill_serving.search import Searcher

_INLINE_SECONDS = 0.002
"""What the event loop may be kept from its connections for. To hand a shorter search over costs
more than it gives: two threads take turns, and in a run of several all wait for the last."""
_TIMED_RUNS = 5
_IDLE_SECONDS = 5.0

_Pending = tuple[Asked, "Future[Found]"]


class Batcher:
    """Searches one model for many threads."""

    def __init__(self, searcher: Searcher, example: Asked) -> None:
        """`example` is one user's request, by which the cost of a search is measured."""
        self._searcher = searcher
        self._row_seconds = _time(searcher, example) / example.rows
        self._waiting: deque[_Pending] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def is_quick(self, asked: Asked) -> bool:
        """Whether the caller had better search itself."""
        return asked.rows * self._row_seconds < _INLINE_SECONDS

    def search(self, asked: Asked) -> Found:
        """Search, and wait for the answer."""
        if self.is_quick(asked):
            return self._searcher.search([asked])[0]
        return self.submit(asked).result()

    def submit(self, asked: Asked) -> Future[Found]:
        """Have it searched for together with whatever else is waiting by then."""
        future: Future[Found] = Future()
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="search", daemon=True)
                self._thread.start()
            self._waiting.append((asked, future))
            self._changed.notify()
        return future

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            self._answer(batch)

    def _next(self) -> list[_Pending] | None:
        """The requests that wait, in their order, up to the most users of a run.

        None when none has come for a while: the thread ends, and a model that is no longer served
        can be forgotten.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, _IDLE_SECONDS):
                self._thread = None
                return None
            batch: list[_Pending] = []
            rows = 0
            while self._waiting and (not batch or rows < self._searcher.most_rows):
                asked, future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    batch.append((asked, future))
                    rows += asked.rows
            return batch

    def _answer(self, batch: list[_Pending]) -> None:
        try:
            answers = self._searcher.search([asked for asked, _ in batch])
        except Exception as error:  # whatever it is, it goes to the caller, and only to its own
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:
                for each in batch:
                    self._answer([each])
            return
        for (_, future), found in zip(batch, answers, strict=True):
            future.set_result(found)


def _time(searcher: Searcher, example: Asked) -> float:
    """Median seconds of a search."""
    seconds = []
    for _ in range(_TIMED_RUNS):
        started = time.perf_counter()
        searcher.search([example])
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
