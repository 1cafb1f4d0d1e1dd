"""Columns that reach past their cutoff, shown by what the log says came after it.

A column that is known at the cutoff may tell of the future what the past and lasting habits tell.
So two signs give a leak away. *Explained*: much of what the past does not explain of the column,
later events do. *Edge*: what the past leaves goes with events up to some day after the cutoff, and
no more with those behind it; habits and causes have no such edge. Both are judged on users whom
the regressions have not seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.assessing.leakage.around import Around
from tidemill_pipelines.assessing.leakage.regression import (
    correlations,
    explained,
    folds_of,
    residuals,
    standardised,
    widened,
)
from tidemill_pipelines.assessing.leakage.table import TrainingTable

Values = NDArray[np.float64]
MOST_EXPLAINED = 0.35
"""Of what the past leaves of a column. Habits explain less, or the past had told of them."""
HALF = 0.5
"""The same where the past leaves hardly anything."""
NEARLY_ALL = 0.94
"""Of the whole column, by past and state at the end of the log. What a user is like, known from the
start, is explained ever better the longer the user is watched, but never all of it."""
EDGES_AT = {"late arrivals": 0.15, "day 1": 0.15, "week 1": 0.25, "the horizon": 0.25}
"""Smallest correlation before an edge. What is known beforehand may cause something for a while and
then no more, but hardly for a single day or before the cutoff."""
EDGE_RATIO = 3.0
"""Of the correlation before the edge to that behind it, given each other."""
RAW_RATIOS = {"late arrivals": 3.0, "day 1": 1.8, "week 1": 1.8, "the horizon": 1.8}
"""The same as they are. What lasts goes with what was not known yet more than with what came later,
because the past that is known is too small by just that; but it does go with both."""
_CERTAIN = 6.0
"""Standard errors: thousands of columns are looked at."""
_LEFT, _MUCH_LEFT = 1e-3, 1e-2
"""Share of a column that the past must leave, or there is nothing to explain; and for less than
HALF of it to count, because a form that the regression misses leaves a little too."""
_FEWEST_USERS = 200
_ABOUT = 0.9
"""Of a strength; an explanation that looks further ahead must be better by more than that."""
_LATE, _END = "late arrivals", "the end"
_EDGES = {
    _LATE: ("week 1", "week 2", "the horizon"),
    "day 1": tuple(f"day {n}" for n in range(2, 9)),
    "week 1": ("week 2",),
    "the horizon": ("the next horizon",),
}


@dataclass(frozen=True)
class Reach:
    """One column that knows what came later."""

    column: str
    """By its name in the file."""
    sign: str
    """`explained` or `edge`"""
    until: str
    """How far it reaches: a span of the log, `late arrivals` or `the end`."""
    strength: float
    """Share explained of what the past leaves, or correlation before the edge."""
    behind: float
    """Share that the past explains, or correlation behind the edge."""


@dataclass(frozen=True)
class Views:
    """Each column of a table as it is, as logarithm and as missing or not; without constants."""

    origins: tuple[str, ...]
    values: Values
    """[n, views], standardised."""


def views_of(table: TrainingTable) -> Views:
    origins: list[str] = []
    parts: list[Values] = []
    for name, values in table.columns.items():
        shown = _shown(values)
        parts.append(shown)
        origins += [table.origins[name]] * shown.shape[1]
    width = np.column_stack(parts) if parts else np.empty((len(table.users), 0))
    return Views(tuple(origins), width)


def _shown(values: Values) -> Values:
    missing = np.isnan(values)
    filled = np.where(missing, np.nanmax(values, initial=0.0), values)
    logged = np.sign(filled) * np.log1p(np.abs(filled))
    return standardised(np.column_stack([filled, logged, missing.astype(np.float64)]))


def reaching(table: TrainingTable, around: Around, ends: NDArray[np.bool_]) -> list[Reach] | None:
    """Columns of the labelled rows of `table` that reach past the cutoff, the surest sign of each.

    None with fewer than 200 users, of whom no regression tells anything. `around` is of the same
    rows; `ends` says of which of them the next horizon is in the log.
    """
    if len(np.unique(table.users)) < _FEWEST_USERS:
        return None
    views, past = views_of(table), widened(around.past.values)
    later = {name: widened(values) for name, values in _later(table, around).items()}
    spans = {name: np.log1p(np.maximum(values, 0)) for name, values in _spans(around).items()}
    folds = folds_of(table.users)
    left = iter(_unforeseen(past, [views.values, *later.values(), *spans.values()], folds))
    column = next(left)
    by_past = explained(views.values, column)
    unsaid = np.flatnonzero(1 - by_past > _LEFT)
    by_later = {
        name: explained(column[:, unsaid], residuals(next(left), column[:, unsaid], folds))
        for name in later
    }
    known = _Left(views.origins, by_past, unsaid, column[:, unsaid])
    unforeseen = dict(zip(spans, left, strict=True))
    return _surest([*_explained(known, by_later), *_edges(known, unforeseen, table.users, ends)])


@dataclass(frozen=True)
class _Left:
    """What the past leaves of the columns."""

    origins: tuple[str, ...]
    by_past: Values
    """Share explained, [views]."""
    views: NDArray[np.intp]
    """Of which something is left."""
    values: Values
    """[n, of those]"""


def _unforeseen(past: Values, parts: list[Values], folds: NDArray[np.int64]) -> list[Values]:
    """What the past leaves of each; one regression for all."""
    left = residuals(past, np.column_stack(parts), folds)
    return np.split(left, np.cumsum([part.shape[1] for part in parts])[:-1], axis=1)


def _later(table: TrainingTable, around: Around) -> dict[str, Values]:
    def span(name: str, *more: Values) -> Values:
        blocks = (around.spans[name], around.worth[name])
        return np.column_stack([*(block.values for block in blocks), *more])

    return {
        _LATE: around.late.values,
        "day 1": span("day 1"),
        "week 1": span("week 1"),
        "the horizon": span("the horizon", table.labels.astype(np.float64)),
        _END: np.column_stack([span("to the end"), around.state.values]),
    }


def _spans(around: Around) -> dict[str, Values]:
    """Events in the spans of the edges; of late ones, those of the last four weeks."""
    events = {name: block.values for name, block in around.spans.items()}
    lately = [i for i, name in enumerate(around.late.names) if name.endswith(", in 28 days")]
    events[_LATE] = around.late.values[:, lately]
    return {name: events[name] for edge in _EDGES for name in (edge, *_EDGES[edge])}


def _explained(known: _Left, by_later: dict[str, Values]) -> Iterable[Reach]:
    by_past = known.by_past[known.views]
    for until, share in by_later.items():
        whole = by_past + share * (1 - by_past)
        much = (share >= HALF) | ((share >= MOST_EXPLAINED) & (1 - by_past >= _MUCH_LEFT))
        if until == _END:
            much &= whole >= NEARLY_ALL
        for index in np.flatnonzero(much):
            at, behind = known.views[index], float(by_past[index])
            yield Reach(known.origins[at], "explained", until, float(share[index]), behind)


def _edges(
    known: _Left,
    unforeseen: dict[str, Values],
    users: NDArray[np.str_],
    ends: NDArray[np.bool_],
) -> Iterable[Reach]:
    for span, behind in _EDGES.items():
        rows = ends if span == "the horizon" else np.ones(len(ends), dtype=np.bool_)
        count = len(np.unique(users[rows]))
        if count < _FEWEST_USERS:
            continue
        left, events = known.values[rows], unforeseen[span][rows]
        inside = correlations(left, events)
        outside = np.zeros_like(inside)
        sharp = np.abs(inside) >= EDGES_AT[span]
        for name in behind:
            later = unforeseen[name][rows]
            beyond = correlations(left, later) * np.sign(inside)
            together = np.diag(correlations(events, later))
            sharp &= np.abs(inside) >= RAW_RATIOS[span] * np.abs(beyond)
            sharp &= _is_edge(np.abs(inside), beyond, together)
            outside = np.maximum(outside, np.abs(beyond))
        sure = (_fisher(np.abs(inside)) - _fisher(outside)) * np.sqrt(count / 2) >= _CERTAIN
        strength = np.where(sharp & sure, np.abs(inside), 0.0)
        event = np.argmax(strength, axis=1)
        for index in np.flatnonzero(strength.max(axis=1, initial=0) > 0):
            at, of = known.origins[known.views[index]], event[index]
            yield Reach(at, "edge", span, float(strength[index, of]), float(outside[index, of]))


def _is_edge(inside: Values, beyond: Values, together: Values) -> NDArray[np.bool_]:
    """Whether a column goes with events beyond the edge little, and only because these go with
    events inside (partial correlations)."""
    own = (inside - beyond * together) / np.sqrt(np.maximum(1 - beyond**2, 1e-9))
    rest = (beyond - inside * together) / np.sqrt(np.maximum(1 - inside**2, 1e-9))
    return np.asarray(own >= EDGE_RATIO * np.maximum(rest, 0.0))


def _fisher(correlation: Values) -> Values:
    return np.asarray(np.arctanh(np.minimum(correlation, 0.999)))


def _surest(found: Iterable[Reach]) -> list[Reach]:
    """One per column: explained before edge, then the stronger; of about equal ones the nearest."""
    best: dict[str, Reach] = {}
    for reach in found:
        known = best.get(reach.column)
        if known is None or (reach.sign == known.sign and reach.strength * _ABOUT > known.strength):
            best[reach.column] = reach
    return list(best.values())
