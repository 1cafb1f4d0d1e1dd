"""What the monitor found, run by run, as it was kept in the home."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError
from tidemill.home import Home

_FILE = "verdict.json"
_FORMAT = 1


@dataclass(frozen=True)
class Verdict:
    """One concern, judged."""

    concern: str
    status: str
    """ok, watch, act or undecided."""
    sentence: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class MonitorRun:
    """One run of the monitor."""

    folder: Path
    at: datetime
    """The monitored instant, UTC."""
    window_days: int
    model_version: str
    status: str
    verdicts: tuple[Verdict, ...]
    retrain: bool
    reason: str
    concerns: tuple[str, ...]
    """What a retraining would answer."""

    def evidence(self, concern: str) -> Mapping[str, Any]:
        """The numbers behind one concern; empty when it was not judged."""
        return next((v.evidence for v in self.verdicts if v.concern == concern), {})


def monitor_runs(home: Home, objective: str) -> Iterator[MonitorRun]:
    """Finished runs, newest first, each read when it is asked for.

    Raises TidemillError for a verdict written by another version.
    """
    for path in sorted(home.monitoring(objective).glob(f"*/{_FILE}"), reverse=True):
        yield _read(path)


def _read(path: Path) -> MonitorRun:
    facts = json.loads(path.read_text())
    if facts.get("format") != _FORMAT:
        raise TidemillError(
            f"{path} has format {facts.get('format')}, this version reads {_FORMAT}",
            hint="run `tidemill monitor` again, or remove that folder",
        )
    decision = facts["decision"]
    return MonitorRun(
        folder=path.parent,
        at=datetime.fromisoformat(facts["at"]),
        window_days=facts["window_days"],
        model_version=facts["model_version"],
        status=facts["status"],
        verdicts=tuple(Verdict(**verdict) for verdict in facts["verdicts"]),
        retrain=decision["retrain"],
        reason=decision["reason"],
        concerns=tuple(decision["concerns"]),
    )
