"""Whether what a model shows as probable comes true as often."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FACTOR = 2.0
"""Models of real purchases were off by less than a half, as base rates move between windows."""
_NEVER = 1e-9


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

    @property
    def accusation(self) -> str:
        """What is wrong with it, in words."""
        return (
            f"its probabilities cannot be believed: for each outcome predicted {self.kept:.2f} "
            f"happened, 90% interval {self.lower:.2f} to {self.upper:.2f}; `tidemill promote` "
            "takes it where only the order counts"
        )

    def is_kept_better_than(self, other: Promise) -> bool:
        """Nearer to 1, as a ratio."""
        return abs(math.log(max(self.kept, _NEVER))) < abs(math.log(max(other.kept, _NEVER)))


@dataclass(frozen=True)
class Promises:
    """Those of the challenger and, if there is one, of the champion, to the same users."""

    challenger: Promise
    champion: Promise | None

    @classmethod
    def from_json(cls, facts: Mapping[str, Any], kind: type[Promise] = Promise) -> Promises:
        """Of what `dataclasses.asdict` made."""
        champion = facts["champion"]
        return cls(kind(**facts["challenger"]), None if champion is None else kind(**champion))

    @property
    def forbid(self) -> bool:
        """Where the world has changed, both are off, and the better one helps."""
        is_better = self.champion is not None and self.challenger.is_kept_better_than(self.champion)
        return self.challenger.is_broken and not is_better
