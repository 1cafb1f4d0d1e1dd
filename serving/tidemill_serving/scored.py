"""Rows of a request as one model scored them, on their way into one answer and into the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tidemill.experiments.logged import OUTSIDE, Exposed, together
from tidemill.grading import letters
from tidemill.online import OnlineRows
from tidemill.predictions import Predictions
from tidemill_serving.model import Model
from tidemill_serving.population import Thresholds, rule_scores

T = TypeVar("T")


class Scored(NamedTuple):
    """What one model says of some users."""

    model: Model
    users: Sequence[str | None]
    rows: OnlineRows
    scores: NDArray[np.float64]
    """[n], NaN for who is given none."""
    grades: list[str]
    """[n], "" for who is given none."""
    versions: list[str]
    """[n], of the models; "" for who is given none."""
    exposed: Exposed = OUTSIDE
    more: Mapping[str, NDArray[np.float64]] = MappingProxyType({})
    """What else the model says, [n] each by the name of its output; NaN like the scores."""


def as_arms_say(scored: Scored, exposed: Exposed, thresholds: Thresholds) -> Scored:
    """The rule's scores, graded by its own `thresholds`, or none where an arm is served so."""
    if not {"rule", "nothing"}.intersection(exposed.serves):
        return scored._replace(exposed=exposed)
    scores, grades, versions = scored.scores.copy(), [*scored.grades], [*scored.versions]
    more = {name: values.copy() for name, values in scored.more.items()}
    ruled = rule_scores(scored.model.metadata, scored.rows.vectors)
    for row, serve in enumerate(exposed.serves):
        if serve == "rule" and ruled is not None:
            scores[row] = ruled[row]
            grades[row] = letters([float(ruled[row])], thresholds)[0]
        elif serve == "nothing":
            scores[row], grades[row], versions[row] = np.nan, "", ""
            for values in more.values():
                values[row] = np.nan
    return scored._replace(
        scores=scores, grades=grades, versions=versions, exposed=exposed, more=more
    )


def joined(parts: Sequence[Scored], places: Sequence[Sequence[int]]) -> Scored:
    """All rows in the order of the question, given the place of each in it.

    The vectors, which may have several layouts, are left behind.
    """
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([np.asarray(each) for each in places])).tolist()
    rows = [part.rows for part in parts]
    return Scored(
        parts[0].model,
        arranged([part.users for part in parts], order),
        OnlineRows(
            np.empty((len(order), 0), dtype=np.float32),
            np.concatenate([each.cutoffs for each in rows])[order],
            np.concatenate([each.found for each in rows])[order],
        ),
        np.concatenate([part.scores for part in parts])[order],
        arranged([part.grades for part in parts], order),
        arranged([part.versions for part in parts], order),
        together([part.exposed for part in parts]).rows(order),
        {
            name: np.concatenate([each.more[name] for each in parts])[order]
            for name in parts[0].more
        },
    )


def arranged(parts: Sequence[Sequence[T]], order: Sequence[int]) -> list[T]:
    """The values of all parts, one behind the other, put into an order."""
    values = [*chain.from_iterable(parts)]
    return [values[place] for place in order]


def record_of(scored: Scored, prediction_id: str, requested_at: int) -> Predictions:
    """What is logged, with the vectors; `requested_at` in microseconds since 1970 UTC."""
    return Predictions(
        prediction_id=prediction_id,
        requested_at=requested_at,
        objective=scored.model.metadata.objective,
        model_version=scored.model.version,
        feature_hash=scored.model.feature_hash,
        users=scored.users,
        cutoffs=scored.rows.cutoffs,
        cold_start=~scored.rows.found,
        scores=scored.scores,
        grades=scored.grades,
        vectors=scored.rows.vectors,
        more=scored.more,
        **scored.exposed.columns(),
    )
