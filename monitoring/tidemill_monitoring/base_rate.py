"""Does the outcome happen as often as when the model was trained?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.intervals import judge_ratio, share_ratio, wilson_interval
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict


def judge_base_rate(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], trained: float, trained_users: int
) -> Verdict:
    """Share of users with the outcome against the newest training window's, `trained`.

    The latter was counted on about `trained_users` and is uncertain as well.
    A rate that moved is no alarm while the scores moved with it: then the features explain it.
    """
    if len(labels) < MINIMUM_USERS:
        sentence = f"Outcomes of only {len(labels)} users are known; {MINIMUM_USERS} are needed."
        needed = {"users": len(labels), "needed": MINIMUM_USERS}
        return Verdict(Concern.BASE_RATE, Status.UNDECIDED, sentence, needed)
    rate, predicted = float(labels.mean()), float(scores.mean())
    low, high = wilson_interval(int(labels.sum()), len(labels))
    ratio = share_ratio(int(labels.sum()), len(labels), trained * trained_users, trained_users)
    status = judge_ratio(ratio.lower, ratio.upper)
    followed = judge_ratio(low / predicted, high / predicted) is Status.OK
    sentence = (
        f"{rate:.1%} of users had the outcome ({low:.1%} to {high:.1%}); {trained:.1%} in the "
        "newest training window."
    )
    if status is not Status.OK and followed:
        status = Status.WATCH
        sentence += f" The scores moved with it (they predicted {predicted:.1%})."
    elif status is not Status.OK:
        sentence += f" The scores did not follow (they predicted {predicted:.1%}): retrain."
    evidence: dict[str, Any] = {
        "users": len(labels),
        "rate": rate,
        "lower": low,
        "upper": high,
        "trained": trained,
        "trained_users": trained_users,
        "ratio": asdict(ratio),
        "predicted": predicted,
    }
    return Verdict(Concern.BASE_RATE, status, sentence, evidence)
