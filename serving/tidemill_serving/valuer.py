"""A predictor whose scores are expected values, and which has more to say about each."""

from __future__ import annotations

import time
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill.bundle import INPUT_NAME, OUTPUT_NAME
from tidemill.grading import letters
from tidemill.lifetime_value.bundle import MORE_OUTPUTS, ValueFacts
from tidemill.online import OnlineRows
from tidemill_serving.predictor import (
    Answer,
    ModelOutputError,
    Predictor,
    Query,
    new_prediction_id,
)
from tidemill_serving.tensors import OUTPUTS as SCORE_OUTPUTS
from tidemill_serving.tensors import output_values

OUTPUTS = {"score": "FP64", **dict.fromkeys(MORE_OUTPUTS, "FP64"), **SCORE_OUTPUTS}
_NAMES = [OUTPUT_NAME, *MORE_OUTPUTS]


class Valuer(Predictor):
    """Expected value, purchases and an interval for each user."""

    def predict(self, query: Query, prediction_id: str | None = None) -> Answer:
        """As any predictor; what is known besides the score is in `more`, and on the log."""
        requested_at = time.time_ns() // 1_000
        users, rows = self._rows(query)
        found = self._run(rows)
        scores = found[OUTPUT_NAME]
        answer = Answer(
            prediction_id=prediction_id or new_prediction_id(),
            model_name=self.model.name,
            model_version=self.model.version,
            users=users,
            scores=scores,
            grades=letters(scores.tolist(), self._thresholds),
            cold_start=~rows.found,
            more={name: found[name] for name in MORE_OUTPUTS},
        )
        self._record(answer, rows, requested_at)
        return answer

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
    columns = zip(
        answer.users, answer.scores.tolist(), answer.grades, answer.cold_start.tolist(), strict=True
    )
    return [
        {
            "user_id": user,
            "score": score,
            **{name: values[at] for name, values in more.items()},
            "grade": grade,
            "model_version": answer.model_version,
            "cold_start": cold,
        }
        for at, (user, score, grade, cold) in enumerate(columns)
    ]


def encode_values(answer: Answer) -> bytes:
    """The body of a V1 reply."""
    document = {"prediction_id": answer.prediction_id, "predictions": values_of(answer)}
    return orjson.dumps(document)
