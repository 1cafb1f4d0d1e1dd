"""How a running experiment stands: what the monitor found, for all who act on it or show it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from tidemill.home import Home

Step = Literal["promote", "roll back", "go on"]
BY_EXPERIMENT = "experiment "
"""How the reason of a promotion begins that an experiment's verdict asked for."""


@dataclass(frozen=True)
class Standing:
    """The newest verdict of an experiment."""

    objective: str
    number: int
    """Of the experiment."""
    at: datetime
    """The instant up to which it was judged, UTC."""
    arm: str
    """The treatment it is about: the challenger, or the first beside the control."""
    metric: str
    """The one that decides."""
    verdict: str
    """better, worse, harmful, no difference yet, no difference or cannot say."""
    step: Step
    """What follows for a challenger that is to go live by the verdict."""
    reason: str
    """The verdict's clause, with the lift and its bounds."""
    lift: float | None
    """Relative to the control; None before the first look."""
    lower: float | None
    """Bounds that hold at all looks together; None where nothing is known."""
    upper: float | None
    users: Mapping[str, int]
    """Exposed so far, by arm, the control first."""

    @property
    def experiment(self) -> str:
        """How the experiment is called."""
        return f"{self.objective}-{self.number}"

    @property
    def sentence(self) -> str:
        """`experiment shop-3: new, better by orders: +4.1% (+1.2% to +7.0%)`."""
        return (
            f"{BY_EXPERIMENT}{self.experiment}: {self.arm}, {self.verdict} by {self.metric}: "
            f"{self.reason}"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Standing:
        """Raises KeyError, TypeError or ValueError for what `to_json` has not written."""
        return cls(**{**facts, "at": datetime.fromisoformat(facts["at"])})


def write_standing(home: Home, standing: Standing) -> None:
    """Keep it in place of the one before; a reader finds the old one or the new one."""
    path = home.experiment_standing(standing.objective, standing.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(standing.to_json(), indent=1))
    draft.replace(path)


def read_standing(home: Home, objective: str, number: int) -> Standing | None:
    """The newest of experiment `number`; None before the first."""
    path = home.experiment_standing(objective, number)
    return Standing.from_json(json.loads(path.read_text())) if path.exists() else None
