"""The interest definitions whose histories a home keeps online: what its recommenders read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from tidemill.home import Home
from tidemill.recommendation.interests import InterestDefinition

_FILE = "interests.json"
_LOCK = "interests"
_KEPT = 2
"""Definitions of each objective: the one that is served, and the one that may be next."""


def keep_interests(home: Home, objective_name: str, definition: InterestDefinition) -> None:
    """Make `definition` the newest of an objective; the two newest distinct ones are kept."""
    with home.lock(_LOCK):
        found = _load(home)
        own = found["kept"].get(objective_name, [])
        newest = definition.model_dump(mode="json")
        others = [each for each in own if each != newest]
        found["kept"][objective_name] = [newest, *others][:_KEPT]
        views = {InterestDefinition.model_validate(each).view for each in others[_KEPT - 1 :]}
        found["unread"] = sorted(views.union(found["unread"]))
        _save(home, found)


def kept_interests(home: Home) -> dict[str, tuple[InterestDefinition, ...]]:
    """Each objective's definitions, the newest first."""
    return {
        name: tuple(InterestDefinition.model_validate(each) for each in own)
        for name, own in _load(home)["kept"].items()
    }


def kept_definitions(home: Home) -> tuple[InterestDefinition, ...]:
    """The definitions of all objectives, each once."""
    own = (each for kept in kept_interests(home).values() for each in kept)
    return tuple({definition.view: definition for definition in own}.values())


def unread_views(home: Home) -> list[str]:
    """Online views that nobody reads any more."""
    live = {definition.view for definition in kept_definitions(home)}
    return [view for view in _load(home)["unread"] if view not in live]


def forget_views(home: Home, views: Iterable[str]) -> None:
    """Take views that were removed off the list of unread ones."""
    with home.lock(_LOCK):
        found = _load(home)
        found["unread"] = sorted(set(found["unread"]).difference(views))
        _save(home, found)


def _load(home: Home) -> dict[str, Any]:
    path = home.features / _FILE
    if not path.exists():
        return {"kept": {}, "unread": []}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _save(home: Home, found: dict[str, Any]) -> None:
    path = home.features / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(found, indent=1, ensure_ascii=False))
    draft.replace(path)
