"""Does the outcome happen as often as when the model was trained?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.intervals import judge_ratio, wilson_interval
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict


def judge_base_rate(labels: NDArray[np.bool_], trained: float) -> Verdict:
    """Share of users with the outcome, against the newest training window's."""
    if len(labels) < MINIMUM_USERS:
        sentence = f"Outcomes of only {len(labels)} users are known; {MINIMUM_USERS} are needed."
        evidence = {"users": len(labels), "needed": MINIMUM_USERS}
        return Verdict(Concern.BASE_RATE, Status.UNDECIDED, sentence, evidence)
    rate = float(labels.mean())
    low, high = wilson_interval(int(labels.sum()), len(labels))
    status = judge_ratio(low / trained, high / trained) if trained else Status.WATCH
    evidence = _evidence(rate, low, high, trained, len(labels))
    sentence = f"{rate:.1%} of users had the outcome ({low:.1%} to {high:.1%}); {trained:.1%} "
    sentence += "in the newest training window."
    if status is not Status.OK:
        sentence += " Expect scores to be off by that factor until the model is retrained."
    return Verdict(Concern.BASE_RATE, status, sentence, evidence)


def _evidence(rate: float, low: float, high: float, trained: float, users: int) -> dict[str, Any]:
    return {"users": users, "rate": rate, "lower": low, "upper": high, "trained": trained}
