"""Columns that tell more of the outcome than anything known at the cutoff could.

*Certain*: among the users that a column singles out nearly all have the rarer outcome, though what
is known of them leaves it open. *Too good*: alone it ranks nearly perfectly, and better than all
that is known. *Fades*: it told much at every cutoff but the newest, as a column does that is filled
in afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import roc_auc

Values = NDArray[np.float64]
Bools = NDArray[np.bool_]
CERTAIN_RATE = 0.95
"""Of the rarer outcome, among those a column singles out."""
EXPECTED_RATE = 0.75
"""By what is known; above it nobody is surprised."""
TOO_GOOD = 0.9
"""AUC of one column."""
BETTER_BY = 0.03
"""Than all that is known, AUC."""
_FEWEST = 20
"""Rows that a column singles out."""
_SURE = 6.0
"""Standard errors: thousands of sets of rows are looked at."""
_TOPS = (20, 30, 50, 80, 120, 200, 400, 800, 1600, 3200, 6400)
_COMMON = 8
"""Values of a column that are looked at one by one."""
_FADED = 0.25
"""Of the least |AUC - 1/2| before."""
_TELLING = 0.1
"""|AUC - 1/2| that can fade."""

Expectation = Callable[[str], Values]
"""By the column's name: probabilities of the rarer outcome by all that is known but that column."""


@dataclass(frozen=True)
class Power:
    """One column that is too powerful."""

    column: str
    sign: str
    """`certain`, `too good` or `fades`"""
    rows: int
    """Singled out, or all."""
    found: float
    """Rate among them, AUC, or AUC at the newest cutoff."""
    expected: float
    """The same by what is known, or the AUC closest to 1/2 before."""


def too_powerful(
    columns: dict[str, Values], labels: Bools, cutoffs: NDArray[np.int64], expectation: Expectation
) -> Iterator[Power]:
    """The first sign of each column; nothing where an outcome has fewer than 20 rows."""
    if min(labels.sum(), (~labels).sum()) < _FEWEST:
        return
    rarer = rarer_of(labels)
    for name, values in columns.items():
        found = (
            _certain(name, values, rarer, expectation)
            or _too_good(name, values, rarer, expectation)
            or _fades(name, values, rarer, cutoffs)
        )
        if found is not None:
            yield found


def rarer_of(labels: Bools) -> Bools:
    """Rows of the rarer outcome."""
    return labels if labels.mean() <= 1 / 2 else ~labels


def _certain(name: str, values: Values, rarer: Bools, expectation: Expectation) -> Power | None:
    sets = [rows for rows in _singled_out(values) if len(rows) >= _FEWEST]
    sets = [rows for rows in sets if rarer[rows].mean() >= CERTAIN_RATE]
    if not sets:
        return None
    expected = expectation(name)
    for rows in sorted(sets, key=len, reverse=True):
        chances = np.clip(expected[rows], 1e-4, 1 - 1e-4)
        surprise = rarer[rows].sum() - chances.sum()
        sure = surprise / np.sqrt((chances * (1 - chances)).sum())
        if chances.mean() <= EXPECTED_RATE and sure >= _SURE:
            return Power(
                name, "certain", len(rows), float(rarer[rows].mean()), float(chances.mean())
            )
    return None


def _singled_out(values: Values) -> Iterator[NDArray[np.intp]]:
    """Rows with the largest or smallest values, with one common value, without any, or with one."""
    missing = np.isnan(values)
    yield np.flatnonzero(missing)
    present = np.flatnonzero(~missing)
    if missing.any():
        yield present
    order = present[np.argsort(values[present], kind="stable")]
    ranked = values[order]
    for top in _TOPS:
        if top < len(order):
            yield order[ranked >= ranked[-top]]
            yield order[ranked <= ranked[top - 1]]
    if len(ranked):
        yield order[ranked > ranked[0]]
        yield order[ranked < ranked[-1]]
    common, counts = np.unique(ranked, return_counts=True)
    for value in common[np.argsort(-counts, kind="stable")][:_COMMON]:
        yield order[ranked == value]


def _too_good(name: str, values: Values, rarer: Bools, expectation: Expectation) -> Power | None:
    auc = _power(values, rarer)
    if auc < TOO_GOOD:
        return None
    known = roc_auc(rarer, expectation(name))
    error = np.hypot(_error(auc, rarer), _error(known, rarer))
    if auc - known < max(BETTER_BY, _SURE / 2 * error):
        return None
    return Power(name, "too good", len(values), auc, known)


def _fades(name: str, values: Values, rarer: Bools, cutoffs: NDArray[np.int64]) -> Power | None:
    *before, newest = np.unique(cutoffs)
    if len(before) < 2 or min(_fewest(rarer[cutoffs == at]) for at in (*before, newest)) < _FEWEST:
        return None
    signed = [
        roc_auc(rarer[cutoffs == at], _ranked(values[cutoffs == at])) - 1 / 2 for at in before
    ]
    here = cutoffs == newest
    now = roc_auc(rarer[here], _ranked(values[here]))
    least = min(abs(each) for each in signed)
    if least < _TELLING or len({each > 0 for each in signed}) > 1:
        return None
    error = max(_error(1 / 2, rarer[cutoffs == at]) for at in (*before, newest))
    if abs(now - 1 / 2) > _FADED * least or least < _SURE * error:
        return None
    return Power(name, "fades", int(here.sum()), now, 1 / 2 + least)


def _fewest(labels: Bools) -> int:
    return int(min(labels.sum(), (~labels).sum()))


def _power(values: Values, rarer: Bools) -> float:
    """AUC of the column, whichever way it points and whatever missing means."""
    found = [roc_auc(rarer, _ranked(values)), roc_auc(rarer, _ranked(-values))]
    return max(found)


def _ranked(values: Values) -> Values:
    """Missing is less than everything."""
    return np.where(np.isnan(values), np.finfo(np.float64).min, values)


def _error(auc: float, labels: Bools) -> float:
    """Standard error of an AUC (Hanley & McNeil 1982)."""
    positives, negatives = labels.sum(), (~labels).sum()
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return float(np.sqrt(max(spread, 0.0) / (positives * negatives)))
