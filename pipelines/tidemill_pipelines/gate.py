"""Whether a challenger may go live. "No" is a normal outcome and says why."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.evaluation import PairedDifference


@dataclass(frozen=True)
class Verdict:
    """The gate's answer, in words a person can act on."""

    promote: bool
    reason: str


def decide(over_baseline: PairedDifference, over_champion: PairedDifference | None) -> Verdict:
    """A challenger must beat the simple rule and, if there is one, the champion.

    Both with 95% confidence on the same later window: a point estimate would promote an equal
    challenger every second time.
    """
    if over_baseline.lower <= 0:
        return Verdict(False, f"not better than recency alone: {_words(over_baseline)}")
    if over_champion is None:
        return Verdict(True, f"first model; better than recency alone: {_words(over_baseline)}")
    if over_champion.lower <= 0:
        return Verdict(False, f"not better than the champion beyond doubt: {_words(over_champion)}")
    return Verdict(True, f"better than the champion: {_words(over_champion)}")


def _words(difference: PairedDifference) -> str:
    return (
        f"AUC {difference.difference:+.3f}, 90% interval "
        f"{difference.lower:+.3f} to {difference.upper:+.3f}"
    )
