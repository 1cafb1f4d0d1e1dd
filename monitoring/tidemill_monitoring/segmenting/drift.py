"""Whether segments have grown, shrunk or exchanged users since training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.segmentation.bundle import Segment
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict

PSI_WATCH, PSI_ACT = 0.1, 0.25
"""Population stability index of the segments' shares, the usual limits (Siddiqi 2006)."""
_LEVEL = 0.001
"""Chance of a verdict when nothing has changed."""
_FLOWS = 5


def judge_segment_drift(
    segments: Mapping[str, Segment], before: Mapping[str, str], now: Mapping[str, str]
) -> Verdict:
    """`before` and `now`: the segment of each user at training and in the newest answers.

    Shares are compared by those who are asked about now, so who is asked about matters; who moved
    is said of users who were there both times.
    """
    if len(now) < MINIMUM_USERS:
        sentence = f"{len(now)} users were asked about in this window; {MINIMUM_USERS} are needed."
        return Verdict(Concern.DRIFT, Status.UNDECIDED, sentence, {"users": len(now)})
    expected = np.array([each.share for each in segments.values()])
    counts = Counter(now.values())
    observed = np.array([counts[name] for name in segments], dtype=np.float64)
    index, p_value = _psi(expected, observed), _chance(expected, observed)
    moved = _moved(before, now)
    evidence = {
        "users": len(now),
        "psi": index,
        "p_value": p_value,
        "segments": [
            {"id": each.id, "name": each.name, "trained_share": each.share, "share": share}
            for each, share in zip(
                segments.values(), (observed / observed.sum()).tolist(), strict=True
            )
        ],
        **moved,
    }
    status = Status.OK
    if p_value < _LEVEL and index >= PSI_WATCH:
        status = Status.ACT if index >= PSI_ACT else Status.WATCH
    return Verdict(Concern.DRIFT, status, _sentence(status, evidence), evidence)


def _psi(expected: NDArray[np.float64], observed: NDArray[np.float64]) -> float:
    """Half a user is added to each segment, so that an empty one has a logarithm."""
    users = observed.sum()
    shares = (observed + 0.5) / (users + 0.5 * len(observed))
    trained = (expected * users + 0.5) / (users + 0.5 * len(observed))
    return float(((shares - trained) * np.log(shares / trained)).sum())


def _chance(expected: NDArray[np.float64], observed: NDArray[np.float64]) -> float:
    """Of shares as different as these in a sample of so many users (Pearson's chi-square)."""
    from scipy.stats import chi2  # slow to import

    meant = expected / expected.sum() * observed.sum()
    statistic = ((observed - meant) ** 2 / np.maximum(meant, 0.5)).sum()
    return float(chi2.sf(statistic, len(observed) - 1))


def _moved(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Any]:
    both = [(before[user], segment) for user, segment in now.items() if user in before]
    flows = Counter(pair for pair in both if pair[0] != pair[1])
    return {
        "known_users": len(both),
        "moved_users": sum(flows.values()),
        "flows": [
            {"from": source, "to": target, "users": users}
            for (source, target), users in flows.most_common(_FLOWS)
        ],
    }


def _sentence(status: Status, evidence: Mapping[str, Any]) -> str:
    largest = max(evidence["segments"], key=lambda each: abs(each["share"] - each["trained_share"]))
    said = (
        f"`{largest['id']}` ({largest['name']}) has {largest['share']:.0%} of "
        f"{evidence['users']:,} users and had {largest['trained_share']:.0%} at training"
    )
    if evidence["known_users"]:
        share = evidence["moved_users"] / evidence["known_users"]
        said += f"; {share:.0%} of {evidence['known_users']:,} users have changed their segment"
    if status is Status.OK:
        return f"Segments keep their shares: {said}."
    return f"Segments have moved (stability index {evidence['psi']:.2f}): {said}."
