"""Does the outcome happen as often as when the model was trained?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.earlier import EarlierWindow
from tidemill_monitoring.intervals import judge_ratio, share_ratio, wilson_interval
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict


@dataclass(frozen=True)
class UsualRate:
    """How often the outcome happens when all is well."""

    trained: float
    """In the newest training window."""
    trained_users: int
    windows: int = 0
    """Windows since then in which all was well."""
    hits: float = 0
    """Users with the outcome in those windows."""
    users: int = 0

    @property
    def all_hits(self) -> float:
        return self.trained * self.trained_users + self.hits

    @property
    def all_users(self) -> int:
        return self.trained_users + self.users


def usual_rate(
    trained: float, trained_users: int, earlier: Iterable[EarlierWindow] = ()
) -> UsualRate:
    """The rate of training, and of the `earlier` windows in control: one window alone is so
    uncertain that a rate half as high again could pass for chance."""
    calm = [
        window.outcomes
        for window in earlier
        if window.outcomes is not None
        and window.in_control
        and window.statuses.get(Concern.BASE_RATE) is Status.OK
    ]
    hits, users = sum(rate * users for rate, users in calm), sum(users for _, users in calm)
    return UsualRate(trained, trained_users, len(calm), hits, users)


def judge_base_rate(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], usual: UsualRate
) -> Verdict:
    """Share of users with the outcome against the usual one, which is uncertain as well.

    A rate that moved is no alarm while the scores moved with it: then the features explain it.
    """
    if len(labels) < MINIMUM_USERS:
        sentence = f"Outcomes of only {len(labels)} users are known; {MINIMUM_USERS} are needed."
        needed = {"users": len(labels), "needed": MINIMUM_USERS}
        return Verdict(Concern.BASE_RATE, Status.UNDECIDED, sentence, needed)
    rate, predicted = float(labels.mean()), float(scores.mean())
    low, high = wilson_interval(int(labels.sum()), len(labels))
    ratio = share_ratio(int(labels.sum()), len(labels), usual.all_hits, usual.all_users)
    status = judge_ratio(ratio.lower, ratio.upper)
    followed = judge_ratio(low / predicted, high / predicted) is Status.OK
    sentence = (
        f"{rate:.1%} of users had the outcome ({low:.1%} to {high:.1%}); "
        f"{usual.trained:.1%} in the newest training window."
    )
    if usual.windows:
        sentence = sentence[:-1] + (
            f", {usual.hits / usual.users:.1%} in {usual.windows} windows since then."
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
        "trained": usual.trained,
        "trained_users": usual.trained_users,
        "usual": usual.all_hits / usual.all_users,
        "usual_users": usual.all_users,
        "ratio": asdict(ratio),
        "predicted": predicted,
    }
    return Verdict(Concern.BASE_RATE, status, sentence, evidence)
