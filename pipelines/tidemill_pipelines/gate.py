"""Whether a challenger may go live. "No" is a normal outcome and says why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.evaluation import PairedDifference

_FACTOR = 2.0
"""Models of real purchases were off by less than a half, as base rates move between windows."""
_NEVER = 1e-9


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


@dataclass(frozen=True)
class Promise:
    """What came true of the probabilities that a model shows: observed over predicted."""

    kept: float
    """1 where as much came true as was predicted."""
    lower: float
    """5% quantile of the bootstrap."""
    upper: float
    """95% quantile."""

    @property
    def is_broken(self) -> bool:
        """Off by more than a factor of two, beyond doubt."""
        return self.lower > _FACTOR or self.upper < 1 / _FACTOR

    def is_kept_better_than(self, other: Promise) -> bool:
        """Nearer to 1, as a ratio."""
        return abs(math.log(max(self.kept, _NEVER))) < abs(math.log(max(other.kept, _NEVER)))


@dataclass(frozen=True)
class Promises:
    """Those of the challenger and, if there is one, of the champion, to the same users."""

    challenger: Promise
    champion: Promise | None

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Promises:
        """Of what `dataclasses.asdict` made."""
        champion = facts["champion"]
        return cls(
            Promise(**facts["challenger"]), None if champion is None else Promise(**champion)
        )

    @property
    def forbid(self) -> bool:
        """Where the world has changed, both are off, and the better one helps."""
        is_better = self.champion is not None and self.challenger.is_kept_better_than(self.champion)
        return self.challenger.is_broken and not is_better


def decide(
    over_baseline: PairedDifference,
    over_champion: PairedDifference | None,
    measure: Measure = AUC,
    promises: Promises | None = None,
) -> Verdict:
    """A challenger must beat the simple rule and, if there is one, the champion.

    Both with 95% confidence on the same later window: a point estimate would promote an equal
    challenger every second time. A difference that cannot be computed is none. And where it makes
    `promises`, they must not be off by a factor of two, unless those of the champion are more so.
    """
    rule = f"{measure.rule}: {_words(over_baseline, measure)}"
    if not over_baseline.lower > 0:
        return Verdict(False, f"not better than {rule}")
    if over_champion is not None and not over_champion.lower > 0:
        champion = _words(over_champion, measure)
        return Verdict(False, f"not better than the champion beyond doubt: {champion}")
    if promises is not None and promises.forbid:
        return Verdict(False, _accusation(promises.challenger))
    if over_champion is None:
        return Verdict(True, f"first model; better than {rule}")
    return Verdict(True, f"better than the champion: {_words(over_champion, measure)}")


def _accusation(promise: Promise) -> str:
    return (
        f"its probabilities cannot be believed: for each outcome predicted {promise.kept:.2f} "
        f"happened, 90% interval {promise.lower:.2f} to {promise.upper:.2f}; `tidemill promote` "
        "takes it where only the order counts"
    )


def _words(difference: PairedDifference, measure: Measure) -> str:
    return (
        f"{measure.name} {difference.difference:+.3f}, 90% interval "
        f"{difference.lower:+.3f} to {difference.upper:+.3f}"
    )
