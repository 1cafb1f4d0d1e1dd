"""What the prediction log says about experiments, the same for every kind of record.

Users of one request may be in different arms, so each row has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.experiments.running import RunningArm, Serve
from tidemill.segments import pack_frame

_MAGIC = b"TME1"
_COLUMNS = ("experiment", "arms", "arm_probabilities", "serves")
_CHAMPIONS: tuple[Serve | None, ...] = (None, "champion")


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """Rows of users, each in its arm; the columns are empty when no experiment ran."""

    experiment: str | None = None
    """Its name."""
    arms: Sequence[str | None] = ()
    """[n]; None for who takes no part."""
    arm_probabilities: Sequence[float | None] = ()
    """[n]; of being in that arm, among those who take part."""
    serves: Sequence[Serve | None] = ()
    """[n]; who answered: an arm whose model is not there is served by the champion."""

    def columns(self) -> dict[str, Any]:
        """The fields by name, to make a record of or to write down; none outside experiments."""
        if self.experiment is None:
            return {}
        return {name: getattr(self, name) for name in _COLUMNS}

    def rows(self, places: Sequence[int]) -> Exposed:
        """Some of the rows."""
        if self.experiment is None:
            return self
        return Exposed(
            experiment=self.experiment,
            arms=[self.arms[place] for place in places],
            arm_probabilities=[self.arm_probabilities[place] for place in places],
            serves=[self.serves[place] for place in places],
        )

    def by_champion(self, rows: int) -> NDArray[np.bool_]:
        """[rows], whether an answer speaks for the champion: all do outside experiments."""
        if not self.serves:
            return np.ones(rows, dtype=np.bool_)
        return np.fromiter((each in _CHAMPIONS for each in self.serves), np.bool_, rows)


OUTSIDE = Exposed()


def exposed(experiment: str, arms: Sequence[RunningArm | None]) -> Exposed:
    """Rows that are answered as their arms say."""
    return Exposed(
        experiment=experiment,
        arms=[None if arm is None else arm.name for arm in arms],
        arm_probabilities=[None if arm is None else float(arm.share) for arm in arms],
        serves=[None if arm is None else arm.serve for arm in arms],
    )


def together(parts: Sequence[Exposed]) -> Exposed:
    """Rows of one experiment, one part behind the other."""
    return Exposed(
        experiment=parts[0].experiment,
        arms=[arm for part in parts for arm in part.arms],
        arm_probabilities=[share for part in parts for share in part.arm_probabilities],
        serves=[serve for part in parts for serve in part.serves],
    )


def columns_in(header: Mapping[str, Any]) -> dict[str, Any]:
    """What `Exposed.columns` has written into a header; none in one from before experiments."""
    return {name: header[name] for name in _COLUMNS if name in header}


def encode_assigned(objective: str, requested_at: int, users: Sequence[str], to: Exposed) -> bytes:
    """The frame of units that were told their arm and nothing else, as a flag.

    `requested_at`: microseconds since 1970 UTC.
    """
    header = {"at": requested_at, "objective": objective, "users": list(users), **to.columns()}
    return pack_frame(_MAGIC, header, b"")
