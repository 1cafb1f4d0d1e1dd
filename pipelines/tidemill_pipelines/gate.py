"""Whether a challenger may go live. "No" is a normal outcome and says why.

The rules, and what they were measured to hold, are in docs/gate.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.evaluation import PairedDifference
from tidemill_pipelines.promises import Promises

LEVEL = 0.025
"""Chance that an equal challenger passes for a better one, when it is the first of its champion."""
GUARD_LEVEL = 0.05
"""Chance that any guarded slice of a challenger that is equal everywhere passes for a worse one."""
TOLERANCE = 0.005
"""A slice has become worse when it has lost more than this beyond doubt."""
_SLICES_NAMED = 3


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


@dataclass(frozen=True)
class GuardedSlice:
    """How challenger and champion compare on some of the users."""

    name: str
    users: int
    outcomes: int
    over_champion: PairedDifference


@dataclass(frozen=True)
class Contest:
    """A challenger against its champion on the newest labelled window."""

    over_champion: PairedDifference
    earlier: int = 0
    """Challengers that the same champion has met before."""
    margin: float = 0.0
    """The smallest gain that counts."""
    guard: Sequence[str] = ()
    """Attributes whose slices must not get worse."""
    slices: Sequence[GuardedSlice] = ()
    """Those with users and outcomes enough."""

    @property
    def level(self) -> float:
        """Smaller for each challenger: who asks often enough is promoted by luck."""
        return LEVEL / (1 + self.earlier)


AUC = Measure("AUC", "recency alone")


def decide(
    over_baseline: PairedDifference,
    contest: Contest | None,
    measure: Measure = AUC,
    promises: Promises | None = None,
) -> Verdict:
    """A challenger must beat the simple rule and, if there is one, the champion, and make no
    guarded slice worse.

    All on the same later window and beyond doubt: a point estimate would promote an equal
    challenger every second time. A difference that cannot be computed is none. And where it makes
    `promises`, they must not be off by a factor of two, unless those of the champion are more so.
    """
    rule = f"{measure.rule}: {_interval(over_baseline, measure)}"
    if not over_baseline.lower > 0:
        return Verdict(False, f"not better than {rule}")
    champion = None if contest is None else _proof(contest, measure)
    if contest is not None and not contest.over_champion.at_least(contest.level) > contest.margin:
        return Verdict(False, f"not better than the champion beyond doubt: {champion}")
    if promises is not None and promises.forbid:
        return Verdict(False, promises.challenger.accusation)
    if contest is None:
        return Verdict(True, f"first model; better than {rule}")
    worse = _worse_slices(contest.slices)
    if worse:
        return Verdict(False, f"better than the champion, but {_in_words(worse, contest, measure)}")
    return Verdict(True, f"better than the champion: {champion}{_guarded(contest)}")


def _worse_slices(slices: Sequence[GuardedSlice]) -> list[GuardedSlice]:
    """Those that lost more than the tolerance, the greatest loss first (Bonferroni's bound)."""
    level = GUARD_LEVEL / max(1, len(slices))
    worse = [each for each in slices if each.over_champion.at_most(level) < -TOLERANCE]
    return sorted(worse, key=lambda each: each.over_champion.difference)


def _interval(difference: PairedDifference, measure: Measure) -> str:
    return (
        f"{measure.name} {difference.difference:+.3f}, 90% interval "
        f"{difference.lower:+.3f} to {difference.upper:+.3f}"
    )


def _proof(contest: Contest, measure: Measure) -> str:
    found, level = contest.over_champion, contest.level
    asked = f", {contest.margin:+.4f} is asked for" if contest.margin else ""
    met = f"; challenger {contest.earlier + 1} of this champion" if contest.earlier else ""
    return (
        f"{measure.name} {found.difference:+.4f}, with {_confidence(level)} confidence "
        f"{found.at_least(level):+.4f} or more{asked}{met}"
    )


def _in_words(worse: Sequence[GuardedSlice], contest: Contest, measure: Measure) -> str:
    level = GUARD_LEVEL / len(contest.slices)
    named = [
        f"{each.name} ({each.users:,} users, {each.outcomes:,} outcomes): {measure.name} "
        f"{each.over_champion.difference:+.3f}, with {_confidence(level)} confidence "
        f"{each.over_champion.at_most(level):+.3f} or less"
        for each in worse[:_SLICES_NAMED]
    ]
    more = len(worse) - len(named)
    rest = f"; and {more} more" if more else ""
    return f"worse for {'; '.join(named)}{rest}; a loss of {TOLERANCE} is let pass"


def _guarded(contest: Contest) -> str:
    if not contest.guard:
        return ""
    if not contest.slices:
        return f"; no slice of {', '.join(contest.guard)} has users and outcomes enough to compare"
    return f"; none of {len(contest.slices)} guarded slices is worse"


def _confidence(level: float) -> str:
    """As many digits as tell it from certainty."""
    return f"{100 * (1 - level):.4g}%"
