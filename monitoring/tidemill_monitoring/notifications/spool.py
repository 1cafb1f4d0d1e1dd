"""What was told and what is still to be sent, on the disk; every file is replaced at once."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

_STATE = "state.json"
_MOST_WAITING = 100
"""Of one receiver. An alarm that a hundred newer ones followed tells nobody anything."""


@dataclass(frozen=True)
class Told:
    """What receivers believe."""

    origin: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of this home, so that ids of two homes never meet."""
    sequence: int = 0
    """How many notices were written."""
    at: str = ""
    """The monitored instant of the newest of them, ISO 8601."""
    concerns: Mapping[str, str] = field(default_factory=dict)
    """Concern to status."""
    delivered_at: str | None = None
    """When a receiver last took one, by the clock."""


@dataclass(frozen=True)
class Waiting:
    """A notice on its way to one receiver."""

    path: Path
    id: str
    body: Mapping[str, Any]


class Spool:
    """The notices of one objective. One process at a time; whoever calls holds the lock."""

    def __init__(self, folder: Path) -> None:
        """Notices of a process that died before it had written all of them are dropped here:
        the state still lacks their changes, so they are found again."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.told = self._read()
        for path in self._files():
            if int(path.name.partition("-")[0]) >= self.told.sequence:
                path.unlink()

    def add(
        self, bodies: Mapping[str, tuple[str, Mapping[str, Any]]], at: str, told: dict[str, str]
    ) -> None:
        """Keep a notice for each receiver (id to notice id and body), then that it was told."""
        for receiver, (identity, body) in bodies.items():
            path = self._folder / f"{self.told.sequence:08d}-{receiver}.json"
            _write(path, {"id": identity, "body": body})
        told_now = replace(self.told, sequence=self.told.sequence + 1, at=at, concerns=told)
        self._keep(told_now)

    def delivered(self, at: str) -> None:
        """Remember when a receiver last took a notice."""
        self._keep(replace(self.told, delivered_at=at))

    def waiting(self, receiver: str) -> list[Waiting]:
        """What a receiver has not taken yet, oldest first."""
        found = [path for path in self._files() if path.stem.partition("-")[2] == receiver]
        for path in found[:-_MOST_WAITING]:
            path.unlink()
        notices = [_load(path) for path in found[-_MOST_WAITING:]]
        return [notice for notice in notices if notice is not None]

    def forget_others(self, receivers: set[str]) -> int:
        """Drop what waits for receivers that the objective no longer names; how many."""
        gone = [p for p in self._files() if p.stem.partition("-")[2] not in receivers]
        for path in gone:
            path.unlink()
        return len(gone)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*-*.json"))

    def _read(self) -> Told:
        """A state that cannot be read is begun anew: standing alarms are then told again."""
        try:
            return Told(**json.loads((self._folder / _STATE).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            self._keep(told := Told())
            return told

    def _keep(self, told: Told) -> None:
        self.told = told
        _write(self._folder / _STATE, asdict(told))


def _load(path: Path) -> Waiting | None:
    """None, and the file is gone, for one that somebody else has spoilt."""
    try:
        stored = json.loads(path.read_text())
        return Waiting(path, stored["id"], stored["body"])
    except (ValueError, KeyError, TypeError):
        path.unlink()
        return None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
