"""How the best items of a recommender are found: by its whole graph, or in an index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from tidemill.errors import ObjectiveError
from tidemill.home import Home
from tidemill.objective import known_objectives, resolve_objective
from tidemill.objective.schema import Index
from tidemill_serving.indexing import build_index
from tidemill_serving.merging import Asked, merge, split
from tidemill_serving.recommender_model import Found, RecommenderModel

logger = logging.getLogger("tidemill.serving")


class Searcher(Protocol):
    """Finds the best items for several requests at once. May be called from any thread."""

    @property
    def most_rows(self) -> int:
        """Users up to which searching together helps."""
        ...

    def search(self, asked: Sequence[Asked]) -> list[Found]:
        """The best items for each request, as if it were the only one."""
        ...


class ExactSearch:
    """The whole graph, in as few runs as memory allows."""

    def __init__(self, model: RecommenderModel) -> None:
        self._model = model

    @property
    def most_rows(self) -> int:
        return self._model.rows_per_run

    def search(self, asked: Sequence[Asked]) -> list[Found]:
        """The best items for each request."""
        merged = merge(asked)
        return split(self._model.search(merged.inputs, merged.k), asked)


def open_searcher(model: RecommenderModel, index: Index) -> Searcher:
    """The declared way of searching. An index that would not pay is left out; the log says so."""
    found = build_index(model) if index == "approximate" else None
    return found or ExactSearch(model)


def declared_index(home: Home, objective: str) -> Index:
    """What the objective kept in the home says; exact where none is kept."""
    if objective not in known_objectives(home):
        return "exact"
    try:
        return resolve_objective(home, objective).spec.serving.index
    except ObjectiveError as error:
        logger.warning("%s: searched exactly: %s", objective, error)
        return "exact"
