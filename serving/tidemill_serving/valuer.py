"""A predictor whose scores are expected values, and which has more to say about each."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill.bundle import INPUT_NAME, OUTPUT_NAME
from tidemill.grading import letters
from tidemill.lifetime_value.bundle import MORE_OUTPUTS, ValueFacts
from tidemill.online import OnlineRows
from tidemill_serving.predictor import Answer, ModelOutputError, Predictor
from tidemill_serving.rest_v1 import in_experiment, scores_of
from tidemill_serving.scored import Scored
from tidemill_serving.stored_rows import Query
from tidemill_serving.tensors import OUTPUTS as SCORE_OUTPUTS
from tidemill_serving.tensors import output_values

OUTPUTS = {"score": "FP64", **dict.fromkeys(MORE_OUTPUTS, "FP64"), **SCORE_OUTPUTS}
_NAMES = [OUTPUT_NAME, *MORE_OUTPUTS]


class Valuer(Predictor):
    """Expected value, purchases and an interval for each user."""

    def score(self, query: Query) -> Scored:
        """As any predictor; what is known besides the score is in `more`, and on the log."""
        users, rows = self._stored.read(query)
        found = self._run(rows)
        scores = found[OUTPUT_NAME]
        grades = letters(scores.tolist(), self._thresholds)
        versions = [self.model.version] * len(scores)
        more = {name: found[name] for name in MORE_OUTPUTS}
        return Scored(self.model, users, rows, scores, grades, versions, more=more)

    def _run(self, rows: OnlineRows) -> dict[str, NDArray[np.float64]]:
        """Every output by name; of users without a row what is expected of a customer."""
        arrays = self.model.run(_NAMES, {INPUT_NAME: rows.vectors}, None)
        unknown = self._unknown()
        found = {
            name: np.where(rows.found, array.astype(np.float64), unknown[name])
            for name, array in zip(_NAMES, arrays, strict=True)
        }
        if not all(np.isfinite(each).all() for each in found.values()):
            raise ModelOutputError(f"{self.model.name} {self.model.version}: value is not finite")
        return found

    def _unknown(self) -> dict[str, float]:
        metadata = self.model.metadata
        assert isinstance(metadata.value, ValueFacts)  # noqa: S101  # what makes it a Valuer
        values = (metadata.base_rate, metadata.value.unknown_purchases)
        return dict(zip(_NAMES, chain(values, metadata.value.unknown_interval), strict=True))


def value_outputs(answer: Answer) -> dict[str, list[Any] | NDArray[Any]]:
    """Values of every output, ready for JSON."""
    return {**output_values(answer), **answer.more}


def values_of(answer: Answer) -> list[dict[str, Any]]:
    """One object for each user, in order."""
    more = {name: answer.more[name].tolist() for name in MORE_OUTPUTS}
    return [
        row | {name: _given(values[at]) for name, values in more.items()}
        for at, row in enumerate(scores_of(answer))
    ]


def encode_values(answer: Answer) -> bytes:
    """The body of a V1 reply."""
    return orjson.dumps(in_experiment(answer.exposed, answer.prediction_id, values_of(answer)))


def _given(value: float) -> float | None:
    return None if math.isnan(value) else value
