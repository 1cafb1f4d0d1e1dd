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
from typing import NamedTuple

import numpy as np

from tidemill.errors import OnlineStoreError
from tidemill.experiments.logged import OUTSIDE, Exposed
from tidemill.home import Home
from tidemill.objective.schema import Index
from tidemill.online import OnlineReader, open_online_reader
from tidemill.recommendation.bundle import ALLOWED, HISTORY
from tidemill.recommendation.catalogue import read_catalogue
from tidemill.recommendation.history import LAYOUT
from tidemill.recommendation.shown import encode_shown
from tidemill_serving.arms import Arms
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
from tidemill_serving.recommended import (
    Prepared,
    Recommendations,
    joined,
    like_strangers,
    part_of,
    record_of,
    versions_of,
    withheld,
)
from tidemill_serving.recommender_model import Found, RecommenderModel
from tidemill_serving.search import declared_index, open_searcher
from tidemill_serving.stored_histories import graph_inputs, read_known

POPULAR = "popular"
"""Fallback of a user none of whose items is known to the model."""


class Part(NamedTuple):
    """Rows of a question that one model answers."""

    by: Recommender
    places: Sequence[int]
    prepared: Prepared


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
        self.logs = logs
        self._own = threading.local()
        self.arms: Arms[Recommender] | None = None
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
        parts = self.prepare(query)
        return self.finish(parts, self.search(parts), prediction_id)

    def prepare(self, query: RecommendationQuery) -> list[Part]:
        """Read what is known, and what may be offered, for each model that answers."""
        now, arms = time.time_ns() // 1_000, self.arms
        if arms is None:
            return [Part(self, range(len(query.users)), self.read(query, now))]
        return [
            Part(
                group.by or self,
                group.places,
                (group.by or self).read(part_of(query, group.places), now, group.exposed),
            )
            for group in arms.split(query.users, now)
        ]

    def search(self, parts: Sequence[Part]) -> list[Found]:
        """The best items."""
        return [part.by._batcher.search(_asked(part.prepared)) for part in parts]

    def submit(self, parts: Sequence[Part]) -> list[Future[Found]] | None:
        """Have other threads search, together with what else waits; None where `search` is quick
        enough for an event loop."""
        asked = [(part.by._batcher, _asked(part.prepared)) for part in parts]
        if all(batcher.is_quick(each) for batcher, each in asked):
            return None
        return [batcher.submit(each) for batcher, each in asked]

    def finish(
        self, parts: Sequence[Part], found: Sequence[Found], prediction_id: str | None = None
    ) -> Recommendations:
        """Arrange and log."""
        name = prediction_id or new_prediction_id()
        lists = [
            part.by.arrange(part.prepared, each, name)
            for part, each in zip(parts, found, strict=True)
        ]
        self._record(parts, lists)
        whole = joined(lists, [part.places for part in parts])
        return whole._replace(model_version=self.model.version)

    def read(self, query: RecommendationQuery, now: int, exposed: Exposed = OUTSIDE) -> Prepared:
        """The question as this model's graph reads it at `now`, microseconds since 1970 UTC."""
        metadata, options = self.model.metadata, query.options
        k = count_for(options.k, metadata.count, len(metadata.items))
        allowed = self._offers.allowed(now, options.filters)
        known = read_known(query, self.model, self._stored(query.users))
        inputs = graph_inputs(known, self.model, options, now)
        inputs = like_strangers(inputs, exposed.serves, metadata.repeats)
        return Prepared(
            query=query,
            requested_at=now,
            known=known,
            inputs={**inputs, ALLOWED: allowed},
            k=k,
            caps=self._offers.caps(metadata.at_most, k),
            exposed=exposed,
        )

    def arrange(self, prepared: Prepared, found: Found, prediction_id: str) -> Recommendations:
        """The lists of what was found. Raises ModelOutputError."""
        if not np.isfinite(found.score.sum()):
            raise ModelOutputError(f"{self.model.name} {self.model.version}: score is not finite")
        item, score = withheld(found, prepared.exposed.serves)
        is_there = item >= 0
        lengths = is_there.sum(axis=1)
        if share := self.model.metadata.randomise:
            draws = self._random.random((len(item), 2))
            order, probabilities = arrange(lengths, prepared.k, share, draws)
            item = np.take_along_axis(item, order, axis=1)
            score = np.take_along_axis(score, order, axis=1)
        else:
            probabilities = is_there.astype(np.float32)
        known, version = prepared.known, self.model.version
        return Recommendations(
            prediction_id=prediction_id,
            model_name=self.model.name,
            model_version=version,
            users=prepared.query.users,
            items=self.model.names[item],
            scores=score,
            probabilities=probabilities,
            lengths=lengths,
            cold_start=known.is_cold,
            is_cut=np.array([history.is_cut for history in known.histories], dtype=np.bool_),
            fallback=["" if at >= 0 else POPULAR for at in prepared.inputs[HISTORY][:, 0].tolist()],
            versions=versions_of(prepared.exposed, version, len(item)),
            exposed=prepared.exposed,
        )

    def take_part(self, arms: Arms[Recommender] | None) -> None:
        """Answer from now on as an experiment says, or without one."""
        self.arms = arms

    def refresh(self) -> None:
        """Offer what the catalogue says now. Raises BundleError when it cannot be read."""
        path = self._home.catalogue(self.model.metadata.objective)
        found = os.stat(path) if path.exists() else None
        stamp = None if found is None else (found.st_mtime_ns, found.st_ino)
        if stamp is None or stamp != self._read:
            self._offers = Offers(read_catalogue(path), self.model.metadata.items)
            self._read = stamp
        for other in () if self.arms is None else self.arms.others.values():
            other.refresh()

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

    def _record(self, parts: Sequence[Part], lists: Sequence[Recommendations]) -> None:
        objective = self.model.metadata.objective
        records = [
            record_of(part.prepared, shown, objective)
            for part, shown in zip(parts, lists, strict=True)
        ]
        try:
            self.logs.append(b"".join(map(encode_shown, records)))
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


def _asked(prepared: Prepared) -> Asked:
    return Asked(prepared.inputs, prepared.k, prepared.caps)
