"""Heavy tails: values beyond a declared cap count as the cap.

One order of a hundred times the usual can hide any effect. The capped mean answers a slightly other
question, how much the arms differ in what all but the largest units do, and answers it with a
fraction of the units. The cap is the declared quantile of the absolute values of units that have a
value other than zero (where one unit in a hundred buys, the 99th percentile of all is zero). It is
taken over all arms pooled, or over what the same units did before the exposure: a cap of one arm
would depend on its effect.
"""

from __future__ import annotations

import numpy as np

from tidemill_monitoring.experiments.moments import Array


def winsorising_cap(values: Array, quantile: float) -> float:
    """Cap of the pooled `values` [units]; infinite where no unit has a value."""
    sizes = np.abs(values[values != 0])
    return float(np.quantile(sizes, quantile, method="inverted_cdf")) if len(sizes) else np.inf


def winsorised(values: Array, cap: float) -> Array:
    """Values [...] between -cap and cap."""
    return np.clip(values, -cap, cap)
