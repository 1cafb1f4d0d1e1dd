"""The live model of an objective, or how it gets one. Asks files only, no tracking store."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from tidemill.bundle import MODEL_FILE
from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.objective import known_objectives
from tidemill.served_folder import CURRENT


def served_bundle(home: Home, objective: str) -> Path:
    """Folder of the bundle that is live. Raises BundleError when nothing was promoted yet."""
    link = home.served(objective) / CURRENT
    if not (link / MODEL_FILE).exists():
        raise BundleError(
            f"objective '{objective}' has no live model in {home.root}",
            hint=way_to_live(home, objective),
        )
    return link.resolve()


def is_judged(home: Home, objective: str) -> bool:
    """Whether a training on this machine came as far as the gate."""
    return any((home.runs / objective).glob("*/*/register"))


def what_the_gate_said(objective: str) -> str:
    """The next step after a training that was refused."""
    return f"`tidemill models {objective}` says why the gate let nothing go live"


def way_to_live(home: Home, name: str) -> str:
    """The hint for who asks for the live model of `name`, which has none.

    Names that the home does not know may be misspelt.
    """
    if is_judged(home, name):
        return what_the_gate_said(name)
    known = known_objectives(home)
    if name not in known:
        near = get_close_matches(name, [*known, *home.served_objectives()], n=1)
        if near:
            return f"did you mean '{near[0]}'?"
    return (
        f"train it with `tidemill train {name}`; `tidemill models {name}` says why a trained one "
        "is not live"
    )
