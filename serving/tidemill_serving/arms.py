"""Which model answers whom while an experiment runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

from tidemill.experiments.logged import Exposed, exposed
from tidemill.experiments.running import Experiment, RunningArm

S = TypeVar("S")


class Group(NamedTuple, Generic[S]):
    """Rows of a request that one model answers."""

    by: S | None
    """None for the live model, which answers for rules and for nothing too."""
    places: list[int]
    exposed: Exposed


@dataclass(frozen=True)
class Arms(Generic[S]):
    """A running experiment, and what answers in its arms beside the live model."""

    experiment: Experiment
    live: str
    """Version of the live model."""
    has_rule: bool
    """Whether the live model carries a rule; those of another time do not."""
    others: Mapping[str, S]
    """By version."""

    def assign(self, users: Sequence[str | None], requested_at: int) -> list[RunningArm | None]:
        """The arm of each user, and what it is served; `requested_at` in microseconds since 1970.

        Who cannot be served as the arm says is served by the live model and stays in the arm:
        leaving them out would leave an arm of those with whom all went well.
        """
        day = datetime.fromtimestamp(requested_at / 1e6, UTC).date()
        assign = self.experiment.assign
        return [None if user is None else self._served(assign(user, day)) for user in users]

    def split(self, users: Sequence[str | None], requested_at: int) -> list[Group[S]]:
        """The rows of a request by who answers them; `requested_at` as in `assign`."""
        assigned = self.assign(users, requested_at)
        places: dict[str | None, list[int]] = {}
        for place, arm in enumerate(assigned):
            version = None if arm is None or arm.version not in self.others else arm.version
            places.setdefault(version, []).append(place)
        return [
            Group(
                None if version is None else self.others[version],
                rows,
                exposed(self.experiment.name, [assigned[row] for row in rows]),
            )
            for version, rows in places.items()
        ]

    def _served(self, arm: RunningArm | None) -> RunningArm | None:
        if arm is None or arm.serve in ("champion", "nothing"):
            return arm
        if arm.serve == "rule":
            is_there = self.has_rule
        else:
            is_there = arm.version == self.live or arm.version in self.others
        return arm if is_there else replace(arm, serve="champion")
