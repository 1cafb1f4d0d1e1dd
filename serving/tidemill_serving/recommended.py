"""Lists of items as one model chose them, on their way into one answer and into the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tidemill.experiments.logged import OUTSIDE, Exposed, together
from tidemill.experiments.running import Serve
from tidemill.recommendation.bundle import ACTIVITY_INPUT, EXCLUDED, FACTS_INPUT, HISTORY
from tidemill.recommendation.caps import Cap
from tidemill.recommendation.shown import Shown
from tidemill_serving.recommendation_query import RecommendationQuery
from tidemill_serving.recommender_model import Found
from tidemill_serving.scored import arranged
from tidemill_serving.stored_histories import Known

Inputs = dict[str, NDArray[Any]]
T = TypeVar("T", bound=np.generic)


class Prepared(NamedTuple):
    """A question as the graph of one model reads it."""

    query: RecommendationQuery
    requested_at: int
    """Microseconds since 1970 UTC."""
    known: Known
    inputs: Inputs
    k: int
    """Items of each list."""
    caps: list[Cap]
    exposed: Exposed = OUTSIDE


class Recommendations(NamedTuple):
    """Lists in the order of the question; positions beyond a list's end are "", 0 and 0."""

    prediction_id: str
    model_name: str
    model_version: str
    """The live model's; in an experiment, `versions` says who answered."""
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
    versions: list[str]
    """[n], of the models; "" for who is given nothing."""
    exposed: Exposed = OUTSIDE


def like_strangers(inputs: Inputs, serves: Sequence[Serve | None], repeats: bool) -> Inputs:
    """Inputs in which an arm's rule, what is popular, is what the graph offers to strangers.

    Without `repeats` it does not offer what is in the history it is not shown any more.
    """
    rows = [row for row, serve in enumerate(serves) if serve == "rule"]
    if not rows:
        return inputs
    changed = dict(inputs)
    if not repeats:
        own = np.full_like(inputs[HISTORY], -1)
        own[rows] = inputs[HISTORY][rows]
        changed[EXCLUDED] = np.hstack((inputs[EXCLUDED], own))
    for name, nothing in ((HISTORY, -1), (FACTS_INPUT, 0), (ACTIVITY_INPUT, 0)):
        changed[name] = inputs[name].copy()
        changed[name][rows] = nothing
    return changed


def withheld(found: Found, serves: Sequence[Serve | None]) -> Found:
    """What was found, without the lists of arms that are served nothing."""
    rows = [row for row, serve in enumerate(serves) if serve == "nothing"]
    if not rows:
        return found
    item, score = found.item.copy(), found.score.copy()
    item[rows], score[rows] = -1, 0
    return Found(item, score)


def versions_of(exposed: Exposed, version: str, rows: int) -> list[str]:
    """Who answered each row; "" for who is served nothing."""
    if not exposed.serves:
        return [version] * rows
    return ["" if serve == "nothing" else version for serve in exposed.serves]


def part_of(query: RecommendationQuery, places: Sequence[int]) -> RecommendationQuery:
    """Some rows of a question."""
    return query._replace(
        users=[query.users[place] for place in places],
        sessions={
            row: query.sessions[place]
            for row, place in enumerate(places)
            if place in query.sessions
        },
    )


def joined(parts: Sequence[Recommendations], places: Sequence[Sequence[int]]) -> Recommendations:
    """All lists in the order of the question, given the place of each in it; the first part says
    what the whole is called."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([np.asarray(each) for each in places])).tolist()
    return parts[0]._replace(
        users=arranged([part.users for part in parts], order),
        items=_stacked([part.items for part in parts], "")[order],
        scores=_stacked([part.scores for part in parts], 0)[order],
        probabilities=_stacked([part.probabilities for part in parts], 0)[order],
        lengths=np.concatenate([part.lengths for part in parts])[order],
        cold_start=np.concatenate([part.cold_start for part in parts])[order],
        is_cut=np.concatenate([part.is_cut for part in parts])[order],
        fallback=arranged([part.fallback for part in parts], order),
        versions=arranged([part.versions for part in parts], order),
        exposed=together([part.exposed for part in parts]).rows(order),
    )


def _stacked(tables: Sequence[NDArray[T]], blank: object) -> NDArray[T]:
    """Tables of any widths one below the other, filled up with `blank`."""
    width = max(table.shape[1] for table in tables)
    whole = np.full((sum(map(len, tables)), width), blank, dtype=tables[0].dtype)
    at = 0
    for table in tables:
        whole[at : at + len(table), : table.shape[1]] = table
        at += len(table)
    return whole


def record_of(prepared: Prepared, shown: Recommendations, objective: str) -> Shown:
    """What is logged of the lists of one model."""
    options = prepared.query.options
    return Shown(
        prediction_id=shown.prediction_id,
        requested_at=prepared.requested_at,
        objective=objective,
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
        **shown.exposed.columns(),
    )


def trimmed(values: NDArray[Any], lengths: NDArray[np.int64]) -> list[list[Any]]:
    """Each row of `values` [n, k] up to its length."""
    rows: list[list[Any]] = values.tolist()
    if values.size == int(lengths.sum()):
        return rows
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]
