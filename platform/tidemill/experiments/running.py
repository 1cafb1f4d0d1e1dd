"""Experiments as they run: who is in which arm, and the book that keeps them all.

Standard library only, because the server reads them too.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tidemill.errors import TidemillError
from tidemill.experiments.assignment import Slot, Split
from tidemill.home import Home

if TYPE_CHECKING:
    from tidemill.objective.experimenting import DeclaredExperiment

Serve = Literal["champion", "challenger", "rule", "nothing"]


@dataclass(frozen=True)
class RunningArm:
    """Units that are served alike."""

    name: str
    share: Decimal
    """Of the units that take part: the probability to be in this arm."""
    serve: Serve
    version: str | None
    """The bundle that answers; None for whichever is live at the time, or for none at all."""


@dataclass(frozen=True)
class Allocation:
    """Shares of a bandit's arms, in their order, from the start of a day, UTC, to the next."""

    since: date
    shares: tuple[Decimal, ...]


@dataclass(frozen=True)
class Experiment:
    """One experiment from its start to its end. Nothing but its end and its allocations changes."""

    number: int
    """Counts the objective's experiments from 1."""
    objective: str
    salt: str
    slot: Slot | None
    """The part of a layer whose units take part; everybody's where it is None."""
    arms: tuple[RunningArm, ...]
    """The first is the control."""
    started_at: datetime
    declared: dict[str, Any]
    """`spec.experiment` as it was, in JSON."""
    ended_at: datetime | None = None
    ended_because: str = ""
    allocations: tuple[Allocation, ...] = ()
    """Of a bandit, oldest first; the arms' own shares hold until the first."""

    @property
    def name(self) -> str:
        """How the prediction log and the flag's metadata call it."""
        return f"{self.objective}-{self.number}"

    def assign(self, unit: str, day: date | None = None) -> RunningArm | None:
        """The unit's arm with its share, None for who takes no part.

        `day`, UTC, matters to bandits alone, whose newest allocation answers without it.
        """
        if self.slot is not None and not self.slot.holds(unit):
            return None
        split, arms = self._in_force(day)
        place = split.place_of(unit)
        return None if place is None else arms[place]

    def arms_on(self, day: date) -> tuple[RunningArm, ...]:
        """The arms with the shares they have on a day, UTC."""
        return self._in_force(day)[1]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, in JSON types; shares as texts."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Experiment:
        """Raises KeyError, TypeError or ValueError for what `to_json` has not written."""
        slot, ended_at = facts["slot"], facts["ended_at"]
        return cls(
            **{
                **facts,
                "slot": None if slot is None else _slot(slot["layer"], slot),
                "arms": tuple(
                    RunningArm(**{**arm, "share": Decimal(arm["share"])}) for arm in facts["arms"]
                ),
                "started_at": datetime.fromisoformat(facts["started_at"]),
                "ended_at": None if ended_at is None else datetime.fromisoformat(ended_at),
                "allocations": tuple(
                    Allocation(date.fromisoformat(each["since"]), _decimals(each["shares"]))
                    for each in facts["allocations"]
                ),
            }
        )

    def _in_force(self, day: date | None) -> tuple[Split, tuple[RunningArm, ...]]:
        if not self.declared.get("bandit"):
            day = None
        elif day is None:
            day = self.allocations[-1].since if self.allocations else self._first_day
        found = self._known.get(day)
        if found is None:
            found = self._known[day] = self._split_on(day)
        return found

    @property
    def _first_day(self) -> date:
        return self.started_at.astimezone(UTC).date()

    @cached_property
    def _known(self) -> dict[date | None, tuple[Split, tuple[RunningArm, ...]]]:
        """By day."""
        return {}

    def _split_on(self, day: date | None) -> tuple[Split, tuple[RunningArm, ...]]:
        """A bandit's days have salts of their own, so that each is an experiment of its own."""
        if day is None:
            return Split(self.salt, tuple(arm.share for arm in self.arms)), self.arms
        begun = bisect_right(self.allocations, day, key=lambda each: each.since)
        shares = tuple(arm.share for arm in self.arms)
        if begun:
            shares = self.allocations[begun - 1].shares
        arms = zip(self.arms, shares, strict=True)
        return (
            Split(f"{self.salt}:{day.isoformat()}", shares),
            tuple(replace(arm, share=share) for arm, share in arms),
        )


class ExperimentBook:
    """All experiments of a home: one JSON file each, which is never deleted.

    The one that runs is published to the objective's served folder, all that a server reads.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def running(self, objective: str) -> Experiment | None:
        """The experiment that has not ended; None without one."""
        found = self.all(objective)
        return found[-1] if found and found[-1].ended_at is None else None

    def all(self, objective: str) -> list[Experiment]:
        """Every experiment of an objective, oldest first. Raises TidemillError for a file that is
        damaged."""
        files = self._home.experiments(objective).glob("*.json")
        return sorted(map(_read, files), key=lambda each: each.number)

    def sharing_users(self, experiment: Experiment) -> list[Experiment]:
        """Those of other objectives that run in the same layer, in a part that overlaps."""
        others = set(self._home.served_objectives()) - {experiment.objective}
        running = [self.running(objective) for objective in sorted(others)]
        return [each for each in running if each is not None and _overlap(each, experiment)]

    def start(
        self,
        objective: str,
        declared: DeclaredExperiment,
        versions: Mapping[Serve, str | None],
        at: datetime,
    ) -> Experiment:
        """Start what is declared, with the bundle of each kind of arm.

        Gives the running experiment back where it is the same one: with the same declaration and
        challenger. Another one ends, and the new one has a number and a salt of its own.
        """
        with self._lock(objective):
            fresh = self._fresh(objective, declared, versions, at)
            running = self.running(objective)
            if running is not None and _is_same(running, fresh):
                self._finish(objective)
                return running
            self._keep(fresh)
            self._finish(objective)
            return fresh

    def heal(self, objective: str) -> None:
        """Finish what was killed, and publish again what was damaged."""
        with self._lock(objective):
            self._finish(objective)

    def end(self, objective: str, because: str, at: datetime) -> Experiment | None:
        """End the running experiment; None when none is running."""
        with self._lock(objective):
            running = self.running(objective)
            ended = None if running is None else _ended(running, because, at)
            if ended is not None:
                self._keep(ended)
            self._finish(objective)
            return ended

    def allocate(self, objective: str, allocation: Allocation) -> Experiment | None:
        """Give the running bandit's arms other shares from a day on, in place of what was said of
        that day before; None when none is running."""
        with self._lock(objective):
            running = self.running(objective)
            if running is None:
                return None
            earlier = [each for each in running.allocations if each.since < allocation.since]
            changed = replace(running, allocations=(*earlier, allocation))
            self._keep(changed)
            self._finish(objective)
            return changed

    def _lock(self, objective: str) -> Any:
        return self._home.lock(f"experiments-{objective}")

    def _fresh(
        self,
        objective: str,
        declared: DeclaredExperiment,
        versions: Mapping[Serve, str | None],
        at: datetime,
    ) -> Experiment:
        number = max((each.number for each in self.all(objective)), default=0) + 1
        layer = declared.layer
        return Experiment(
            number=number,
            objective=objective,
            salt=f"{objective}-{number}",
            slot=None if layer is None else Slot(layer.name, layer.start, layer.share),
            arms=tuple(
                RunningArm(arm.name, arm.share, arm.serve, versions.get(arm.serve))
                for arm in declared.every_arm
            ),
            started_at=at,
            declared=declared.model_dump(mode="json"),
        )

    def _keep(self, experiment: Experiment) -> None:
        path = self._home.experiments(experiment.objective) / f"{experiment.number}.json"
        _write(path, experiment)

    def _finish(self, objective: str) -> None:
        """Whatever was written before a crash: one experiment runs, and it is the one published."""
        found = self.all(objective)
        for before, after in pairwise(found):
            if before.ended_at is None:
                self._keep(_ended(before, f"followed by {after.name}", after.started_at))
        path, running = self._home.running_experiment(objective), self.running(objective)
        if running is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, running)


def _is_same(running: Experiment, fresh: Experiment) -> bool:
    def challengers(experiment: Experiment) -> list[str | None]:
        return [arm.version for arm in experiment.arms if arm.serve == "challenger"]

    return running.declared == fresh.declared and challengers(running) == challengers(fresh)


def _overlap(one: Experiment, other: Experiment) -> bool:
    a, b = one.slot, other.slot
    if a is None or b is None or a.layer != b.layer:
        return False
    return a.start < b.start + b.share and b.start < a.start + a.share


def _ended(experiment: Experiment, because: str, at: datetime) -> Experiment:
    return replace(experiment, ended_at=at, ended_because=because)


def _slot(layer: str, facts: Mapping[str, str]) -> Slot:
    return Slot(layer, Decimal(facts["start"]), Decimal(facts["share"]))


def _decimals(texts: Sequence[str]) -> tuple[Decimal, ...]:
    return tuple(Decimal(text) for text in texts)


def _plain(value: Any) -> Any:
    """Dates and decimals, however deep, as texts."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _read(path: Path) -> Experiment:
    try:
        return Experiment.from_json(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise TidemillError(
            f"{path} is damaged: {type(error).__name__}: {error}",
            hint="restore it from a backup; while the experiment runs, the server's copy of it is "
            f"serving/{path.parent.name}/experiment.json",
        ) from error


def _write(path: Path, experiment: Experiment) -> None:
    """A reader finds the old file or the new one, and no new one where nothing is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(experiment.to_json(), indent=2).encode()
    if path.exists() and path.read_bytes() == content:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
