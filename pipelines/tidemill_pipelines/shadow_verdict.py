"""Whether a challenger leaves the champion's shadow, and to where. Rules: docs/gate.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tidemill.evaluation import PairedDifference

_MINIMUM_USERS = 100
_SCORED = 0.95
"""Share of the answers that must have been scored: less, and the challenger is too slow."""
_FARTHER = 0.1
"""By how much farther than the champion's the scores may lie from those of the test window."""
_TIMES_SLOWER, _SLOWER_US = 2.0, 1_000.0
_LEVEL = 0.05


@dataclass(frozen=True)
class ShadowFacts:
    """What was seen while a challenger was in the shadow."""

    MINIMUM_OUTCOMES: ClassVar[int] = 30

    answers: int
    """The champion's, from the first that was scored in the shadow to the last."""
    scored: int
    users: int
    """With a score of both."""
    not_finite: int
    champion_distance: float
    """Kolmogorov-Smirnov, of the live scores from those of the model's own test window."""
    challenger_distance: float
    champion_us: float
    """Microseconds of a model run of one row."""
    challenger_us: float
    over_champion: PairedDifference | None
    """AUC; None where too few outcomes are known."""


@dataclass(frozen=True)
class ShadowVerdict:
    """What becomes of a challenger, and why."""

    decision: Literal["waits", "promote", "launch", "refuse"]
    reason: str


def judge_shadow(facts: ShadowFacts) -> ShadowVerdict:
    """The verdict when the time in the shadow is over."""
    if facts.not_finite:
        return ShadowVerdict("refuse", f"{facts.not_finite:,} scores in the shadow are no numbers")
    if facts.users < _MINIMUM_USERS:
        few = f"{facts.users:,} users were scored in the shadow, {_MINIMUM_USERS} are needed"
        return ShadowVerdict("waits", few)
    fault = _slowness(facts) or _strangeness(facts) or _loss(facts)
    if fault is not None:
        return ShadowVerdict("refuse", fault)
    return ShadowVerdict("promote", f"sane for {facts.users:,} users{_gain(facts)}")


def _slowness(facts: ShadowFacts) -> str | None:
    if facts.scored < _SCORED * facts.answers:
        return f"only {facts.scored:,} of {facts.answers:,} answers could be scored in the shadow"
    if facts.challenger_us > _TIMES_SLOWER * facts.champion_us + _SLOWER_US:
        return f"takes {facts.challenger_us:,.0f} us a row, the champion {facts.champion_us:,.0f}"
    return None


def _strangeness(facts: ShadowFacts) -> str | None:
    """Live users are not those of the test window, so the champion's distance is the yardstick."""
    if facts.challenger_distance <= facts.champion_distance + _FARTHER:
        return None
    return (
        f"live scores lie {facts.challenger_distance:.2f} from those of the test window "
        f"(Kolmogorov-Smirnov), the champion's {facts.champion_distance:.2f}"
    )


def _loss(facts: ShadowFacts) -> str | None:
    found = facts.over_champion
    if found is None or not found.at_most(_LEVEL) < 0:
        return None
    return f"worse than the champion on live users: AUC {found.difference:+.4f}, {_interval(found)}"


def _gain(facts: ShadowFacts) -> str:
    found = facts.over_champion
    if found is None:
        return "; too few outcomes are known yet to compare"
    return f", where AUC differs by {found.difference:+.4f}, {_interval(found)}"


def _interval(found: PairedDifference) -> str:
    return f"90% interval {found.lower:+.4f} to {found.upper:+.4f}"
