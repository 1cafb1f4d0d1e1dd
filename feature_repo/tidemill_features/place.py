"""How far a follower has come, on disk, so that the next one goes on from there."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime

from tidemill.home import Home

_FILE = "followed.json"


@dataclass(frozen=True)
class Place:
    """Every event of the log up to `version` that was in force at `cutoff` is in the store."""

    version: int
    """Delta version of the events."""
    cutoff: datetime
    layout: str
    """Hash of what the store holds: features, and views of histories."""


def load_place(home: Home) -> Place | None:
    """The place of the last follower of this home; None when there was none, or it is unreadable.

    Several followers share it: each has pushed everything up to the place that it saved.
    """
    try:
        saved = json.loads((home.features / _FILE).read_text())
        return Place(
            int(saved["version"]), datetime.fromisoformat(saved["cutoff"]), saved["layout"]
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def save_place(home: Home, place: Place) -> None:
    """Replace the saved place atomically."""
    path = home.features / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps({**vars(place), "cutoff": place.cutoff.isoformat()}))
    draft.replace(path)
