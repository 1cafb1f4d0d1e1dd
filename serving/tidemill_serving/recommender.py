"""From whom to recommend to, to lists that are logged. Knows nothing of HTTP or gRPC.

`prepare` makes the inputs of the graph, a search runs it, and `finish` turns what was found into an
answer, so that searches of several requests may be run together.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import OnlineStoreError
from tidemill.home import Home
from tidemill.objective.schema import Index
from tidemill.online import OnlineReader, open_online_reader
from tidemill.recommendation.bundle import ALLOWED, HISTORY
from tidemill.recommendation.caps import Cap
from tidemill.recommendation.catalogue import read_catalogue
from tidemill.recommendation.history import LAYOUT
from tidemill.recommendation.shown import Shown, encode_shown
from tidemill_serving.batching import Batcher
from tidemill_serving.capping import CappedSearch
from tidemill_serving.errors import UnavailableError
from tidemill_serving.merging import Asked, example_of
from tidemill_serving.offers import Offers
from tidemill_serving.predictor import (
    LogWriteError,
    ModelOutputError,
    ThreadLogs,
    new_prediction_id,
)
from tidemill_serving.randomising import arrange
from tidemill_serving.recommendation_query import RecommendationQuery, count_for
from tidemill_serving.recommender_model import Found, RecommenderModel
from tidemill_serving.search import declared_index, open_searcher
from tidemill_serving.stored_histories import Known, graph_inputs, read_known

POPULAR = "popular"
"""Fallback of a user none of whose items is known to the model."""


class Prepared(NamedTuple):
    """A question as the graph reads it."""

    query: RecommendationQuery
    requested_at: int
    known: Known
    inputs: dict[str, NDArray[Any]]
    k: int
    """Items of each list."""
    caps: list[Cap]


class Recommendations(NamedTuple):
    """Lists in the order of the question; positions beyond a list's end are "", 0 and 0."""

    prediction_id: str
    model_name: str
    model_version: str
    users: Sequence[str | None]
    items: NDArray[np.object_]
    """[n, k], item ids."""
    scores: NDArray[np.float32]
    """[n, k]."""
    probabilities: NDArray[np.float32]
    """[n, k], that this item stood at this position, over all answers that might be given."""
    lengths: NDArray[np.int64]
    """[n]."""
    cold_start: NDArray[np.bool_]
    is_cut: NDArray[np.bool_]
    """[n], older items of the history were left out."""
    fallback: list[str]
    """What the list is made of where nothing is known; else ""."""


class Recommender:
    """One model with its online histories, its catalogue and its log.

    Each thread gets a reader and a log segment of its own, so nothing on the path to an answer
    waits for a lock.
    """

    when_stale = "the catalogue stays as it was"

    def __init__(
        self, model: RecommenderModel, home: Home, logs: ThreadLogs, index: Index | None = None
    ) -> None:
        """Without `index`, the objective that the home keeps says how to search.

        Raises BundleError when there is no catalogue.
        """
        self.model = model
        self._home = home
        self._logs = logs
        self._own = threading.local()
        self._random = np.random.default_rng()
        self._read: tuple[int, int] | None = None
        self.refresh()
        declared = index or declared_index(home, model.metadata.objective)
        searcher = CappedSearch(open_searcher(model, declared), len(model.metadata.items))
        self._batcher = Batcher(searcher, example_of(model))

    def predict(
        self, query: RecommendationQuery, prediction_id: str | None = None
    ) -> Recommendations:
        """Choose and log. Raises RequestError for what cannot be chosen from, UnavailableError
        when histories or log are out of reach."""
        prepared = self.prepare(query)
        return self.finish(prepared, self.search(prepared), prediction_id)

    def search(self, prepared: Prepared) -> Found:
        """The best items."""
        return self._batcher.search(Asked(prepared.inputs, prepared.k, prepared.caps))

    def submit(self, prepared: Prepared) -> Future[Found] | None:
        """Have another thread search, together with what else waits; None where `search` is quick
        enough for an event loop."""
        asked = Asked(prepared.inputs, prepared.k, prepared.caps)
        return None if self._batcher.is_quick(asked) else self._batcher.submit(asked)

    def prepare(self, query: RecommendationQuery) -> Prepared:
        """Read what is known, and what may be offered."""
        now = time.time_ns() // 1_000
        metadata, options = self.model.metadata, query.options
        k = count_for(options.k, metadata.count, len(metadata.items))
        allowed = self._offers.allowed(now, options.filters)
        known = read_known(query, self.model, self._stored(query.users))
        inputs = graph_inputs(known, self.model, options, now)
        return Prepared(
            query=query,
            requested_at=now,
            known=known,
            inputs={**inputs, ALLOWED: allowed},
            k=k,
            caps=self._offers.caps(metadata.at_most, k),
        )

    def finish(
        self, prepared: Prepared, found: Found, prediction_id: str | None = None
    ) -> Recommendations:
        """Arrange and log."""
        if not np.isfinite(found.score.sum()):
            raise ModelOutputError(f"{self.model.name} {self.model.version}: score is not finite")
        item, score = found
        is_there = item >= 0
        lengths = is_there.sum(axis=1)
        if share := self.model.metadata.randomise:
            draws = self._random.random((len(item), 2))
            order, probabilities = arrange(lengths, prepared.k, share, draws)
            item = np.take_along_axis(item, order, axis=1)
            score = np.take_along_axis(score, order, axis=1)
        else:
            probabilities = is_there.astype(np.float32)
        known = prepared.known
        recommendations = Recommendations(
            prediction_id=prediction_id or new_prediction_id(),
            model_name=self.model.name,
            model_version=self.model.version,
            users=prepared.query.users,
            items=self.model.names[item],
            scores=score,
            probabilities=probabilities,
            lengths=lengths,
            cold_start=known.is_cold,
            is_cut=np.array([history.is_cut for history in known.histories], dtype=np.bool_),
            fallback=["" if at >= 0 else POPULAR for at in prepared.inputs[HISTORY][:, 0].tolist()],
        )
        self._record(prepared, recommendations)
        return recommendations

    def refresh(self) -> None:
        """Offer what the catalogue says now. Raises BundleError when it cannot be read."""
        path = self._home.catalogue(self.model.metadata.objective)
        found = os.stat(path) if path.exists() else None
        stamp = None if found is None else (found.st_mtime_ns, found.st_ino)
        if stamp is None or stamp != self._read:
            self._offers = Offers(read_catalogue(path), self.model.metadata.items)
            self._read = stamp

    def everybody(self) -> list[str]:
        """Users of the online store, sorted. Raises OnlineStoreError."""
        return self._reader().entities()

    def _stored(self, users: Sequence[str | None]) -> Sequence[tuple[int, bytes] | None]:
        named = [user for user in users if user is not None]
        if not named:
            return ()
        try:
            return self._reader().read_packed(named)
        except OnlineStoreError as error:
            raise UnavailableError(
                f"user_id: histories cannot be read: {error}", error.hint
            ) from error

    def _record(self, prepared: Prepared, shown: Recommendations) -> None:
        options = prepared.query.options
        record = Shown(
            prediction_id=shown.prediction_id,
            requested_at=prepared.requested_at,
            objective=self.model.metadata.objective,
            model_version=shown.model_version,
            users=shown.users,
            cutoffs=prepared.known.cutoffs,
            checksums=prepared.known.checksums,
            cold_start=shown.cold_start,
            items=trimmed(shown.items, shown.lengths),
            scores=trimmed(shown.scores, shown.lengths),
            probabilities=trimmed(shown.probabilities, shown.lengths),
            k=prepared.k,
            filters=options.filters,
            exclude=options.exclude,
        )
        try:
            self._logs.append(encode_shown(record))
        except OSError as error:
            raise LogWriteError(
                "the prediction log cannot be written, so no recommendation is given", "try again"
            ) from error

    def _reader(self) -> OnlineReader:
        reader: OnlineReader | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = open_online_reader(self._home, self.model.metadata.interests.view, LAYOUT)
            self._own.reader = reader
        return reader


def trimmed(values: NDArray[Any], lengths: NDArray[np.int64]) -> list[list[Any]]:
    """Each row of `values` [n, k] up to its length."""
    rows: list[list[Any]] = values.tolist()
    if values.size == int(lengths.sum()):
        return rows
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]
