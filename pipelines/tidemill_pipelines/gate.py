"""Whether a challenger may go live. "No" is a normal outcome and says why."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.evaluation import PairedDifference


@dataclass(frozen=True)
class Verdict:
    """The gate's answer, in words a person can act on."""

    promote: bool
    reason: str


@dataclass(frozen=True)
class Measure:
    """What differences are of, in words."""

    name: str
    rule: str
    """What a model has to beat before anything else."""


AUC = Measure("AUC", "recency alone")


def decide(
    over_baseline: PairedDifference,
    over_champion: PairedDifference | None,
    measure: Measure = AUC,
) -> Verdict:
    """A challenger must beat the simple rule and, if there is one, the champion.

    Both with 95% confidence on the same later window: a point estimate would promote an equal
    challenger every second time. A difference that cannot be computed is none.
    """
    rule = f"{measure.rule}: {_words(over_baseline, measure)}"
    if not over_baseline.lower > 0:
        return Verdict(False, f"not better than {rule}")
    if over_champion is None:
        return Verdict(True, f"first model; better than {rule}")
    champion = _words(over_champion, measure)
    if not over_champion.lower > 0:
        return Verdict(False, f"not better than the champion beyond doubt: {champion}")
    return Verdict(True, f"better than the champion: {champion}")


def _words(difference: PairedDifference, measure: Measure) -> str:
    return (
        f"{measure.name} {difference.difference:+.3f}, 90% interval "
        f"{difference.lower:+.3f} to {difference.upper:+.3f}"
    )
