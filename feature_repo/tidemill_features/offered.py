"""What was put online for the objectives of a home that choose items, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import known_objectives, resolve_objective
from tidemill.recommendation.catalogue import read_catalogue
from tidemill_features.catalogues import unreadable_bounds
from tidemill_features.instants import in_microseconds
from tidemill_features.kept_interests import kept_interests


@dataclass(frozen=True)
class Offered:
    """The catalogue of one objective."""

    objective: str
    items: int
    """Meet the objective's conditions."""
    available: int
    """Those whose time it is."""
    notes: tuple[str, ...]
    """What is not offered and was probably meant to be."""


def look_at_catalogues(home: Home, at: datetime) -> list[Offered]:
    """The catalogues in the home, by name of their objective, at an instant."""
    known = known_objectives(home)
    declared = [
        resolve_objective(home, name) for name in sorted(kept_interests(home)) if name in known
    ]
    choosing = [
        each for each in declared if each.choice is not None and home.catalogue(each.name).exists()
    ]
    if not choosing:
        return []
    with EventLog(home.events).connect() as con:
        notes = [unreadable_bounds(con, each) for each in choosing]
    found = []
    for objective, said in zip(choosing, notes, strict=True):
        catalogue = read_catalogue(home.catalogue(objective.name))
        count = int(catalogue.available(in_microseconds(at)).sum())
        found.append(Offered(objective.name, len(catalogue.items), count, said))
    return found
