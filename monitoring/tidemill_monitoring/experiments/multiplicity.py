"""Several metrics and arms: p-values that account for each other.

Both accept p-values of sequential looks: those hold at every look, hence at the one looked at.
"""

from __future__ import annotations

import numpy as np

from tidemill_monitoring.experiments.moments import Array


def holm(p_values: Array) -> Array:
    """Adjusted p-values [hypotheses]; one below alpha is false with probability alpha at most.

    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure"; any dependence.
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * (count - np.arange(count))
    return _unsorted(np.minimum(1, np.maximum.accumulate(scaled)), order)


def benjamini_hochberg(p_values: Array) -> Array:
    """Adjusted p-values [hypotheses]; of those below q, a share of q is false on average.

    Benjamini and Hochberg 1995, "Controlling the False Discovery Rate"; independent or positively
    dependent hypotheses.
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * count / np.arange(1, count + 1)
    return _unsorted(np.minimum(1, np.minimum.accumulate(scaled[::-1])[::-1]), order)


def _unsorted(values: Array, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Array:
    found = np.empty(len(values))
    found[order] = values
    return found
