"""Another version of a recommender, run on histories as they were and for what was asked then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tidemill.bundle import MODEL_FILE
from tidemill.errors import BundleError
from tidemill.objective.fields import ITEM
from tidemill.recommendation.bundle import (
    ACTIVITY_INPUT,
    ALLOWED,
    CONTEXT,
    COUNT,
    EXCLUDED,
    FACTS_INPUT,
    HISTORY,
    ITEM_OUTPUT,
    SCORE_OUTPUT,
    RecommenderMetadata,
    read_any_metadata,
)
from tidemill.recommendation.caps import caps_of
from tidemill.recommendation.catalogue import Catalogue
from tidemill.recommendation.history import History
from tidemill.recommendation.interests import FACTS
from tidemill_pipelines.position_bias.answers import Asked
from tidemill_pipelines.recommending.caps import within_caps
from tidemill_pipelines.recommending.running import Lists


class Rival:
    """One bundle and what may be offered now."""

    def __init__(self, bundle: Path, catalogue: Catalogue) -> None:
        """Raises BundleError when the bundle is no recommender."""
        self._session = onnxruntime.InferenceSession(
            str(bundle / MODEL_FILE), providers=["CPUExecutionProvider"]
        )
        properties = self._session.get_modelmeta().custom_metadata_map
        metadata = read_any_metadata(properties, str(bundle))
        if not isinstance(metadata, RecommenderMetadata):
            raise BundleError(
                f"version {bundle.name} of '{metadata.objective}' predicts an outcome and makes no "
                "lists: it is from a time when the objective asked something else",
                hint=f"name a version trained since: `tidemill models {metadata.objective}`",
            )
        self.metadata = metadata
        self._catalogue = catalogue
        self._place = {item: at for at, item in enumerate(metadata.items)}
        self._context = {context: at for at, context in enumerate(metadata.contexts)}
        rows = [catalogue.positions.get(item, -1) for item in metadata.items]
        self._rows = np.array(rows, np.int64)
        codes = {
            name: np.append(attribute.codes, np.int32(-1))[self._rows]
            for name, attribute in catalogue.attributes.items()
        }
        self._caps = caps_of(metadata.at_most, codes)

    def choose(self, history: History, asked: Asked, at_us: int) -> list[str]:
        """The list this version would have answered with at that instant, unrandomised."""
        feed = self._feed(history, asked, at_us)
        count = min(asked.count, len(self.metadata.items))

        def rank(most: int) -> Lists:
            wanted = {**feed, COUNT: np.array([most])}
            return Lists(*self._session.run([ITEM_OUTPUT, SCORE_OUTPUT], wanted))

        found = within_caps(rank, self._caps, count, len(self.metadata.items))
        return [self.metadata.items[item] for item in found.items[0].tolist() if item >= 0]

    def _feed(self, history: History, asked: Asked, at_us: int) -> dict[str, NDArray[Any]]:
        places = np.array([self._place.get(item, -1) for item in history.items], np.int64)
        is_known = places >= 0
        facts = np.asarray(history.facts, np.float32).reshape(-1, len(FACTS))
        struck = [
            item for item, until in history.excluded.items() if until is None or until > at_us
        ]
        denied = [self._place.get(item, -1) for item in (*struck, *asked.exclude)]
        context = -1 if history.context is None else self._context.get(history.context, -1)
        return {
            HISTORY: places[is_known][None],
            FACTS_INPUT: facts[is_known][None],
            ACTIVITY_INPUT: np.asarray(history.activity, np.float32)[None],
            CONTEXT: np.array([context]),
            ALLOWED: self._allowed(asked, at_us)[None],
            EXCLUDED: np.array(denied, np.int64)[None],
        }

    def _allowed(self, asked: Asked, at_us: int) -> NDArray[np.bool_]:
        mask = self._catalogue.available(at_us)
        for name, values in asked.filters.items():
            attribute = self._catalogue.attributes.get(name.removeprefix(ITEM))
            if attribute is None:
                return np.zeros(len(self._rows), np.bool_)
            codes = [code for code, text in enumerate(attribute.values) if text in values]
            mask = mask & np.isin(attribute.codes, codes)
        found: NDArray[np.bool_] = (self._rows >= 0) & np.append(mask, False)[self._rows]
        return found
