"""Training/serving skew: is what the model read what the features are defined to be?

The served vectors come from the prediction log, the rebuilt ones from the event log as it was
known at the same cutoffs. They must be equal bit for bit: both come from one definition, so any
difference is a fault, whatever its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.verdicts import Concern, Status, Verdict, join_names


@dataclass(frozen=True)
class SkewedFeature:
    """One feature that serving read differently."""

    name: str
    rows: int
    served: float | None
    """Of the first differing row; None is missing."""
    rebuilt: float | None


def find_skew(
    served: NDArray[np.float32], rebuilt: NDArray[np.float32], names: Sequence[str]
) -> list[SkewedFeature]:
    """Features whose values differ between two [rows, features] matrices, most rows first.

    NaN equals NaN, and 0.0 equals -0.0; nothing else is forgiven.
    """
    differs = (served != rebuilt) & ~(np.isnan(served) & np.isnan(rebuilt))
    found = []
    for index in np.flatnonzero(differs.any(axis=0)).tolist():
        rows = np.flatnonzero(differs[:, index])
        values = _optional(served[rows[0], index]), _optional(rebuilt[rows[0], index])
        found.append(SkewedFeature(names[index], len(rows), *values))
    return sorted(found, key=lambda feature: -feature.rows)


def judge_skew(
    skewed: Sequence[SkewedFeature], rows: int, score_difference: float | None
) -> Verdict:
    """`score_difference`: largest change of a score if the rebuilt vectors were scored instead."""
    evidence = {
        "rows": rows,
        "skewed_features": len(skewed),
        "features": [vars(feature) for feature in skewed[:50]],
        "largest_score_difference": score_difference,
    }
    if not rows:
        return Verdict(
            Concern.SKEW,
            Status.UNDECIDED,
            "No served vector of the current layout in this window, so nothing was compared.",
            evidence,
        )
    if not skewed:
        equal = f"{rows} served vectors equal their offline rebuild exactly."
        return Verdict(Concern.SKEW, Status.OK, equal, evidence)
    worst = skewed[0]
    effect = "" if score_difference is None else f", moving scores by up to {score_difference:.3f}"
    sentence = (
        f"Serving reads {join_names([feature.name for feature in skewed])} differently from the "
        f"offline rebuild ({worst.rows} of {rows} vectors{effect}; first: served "
        f"{_show(worst.served)}, rebuilt {_show(worst.rebuilt)}). Fix what fills the online store, "
        "for example with `tidemill features materialize`; retraining cannot help."
    )
    return Verdict(Concern.SKEW, Status.ACT, sentence, evidence)


def _optional(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)


def _show(value: float | None) -> str:
    return "missing" if value is None else f"{value:g}"
