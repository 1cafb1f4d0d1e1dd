"""What training says about the models it wrote, beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_FILE = "notes.json"


@dataclass(frozen=True)
class ValueNotes:
    """What won, and how everything fared."""

    recipe: str
    is_refitted: bool
    """Whether the served model knows the test window, as it should."""
    parameters: dict[str, dict[str, float]]
    """Of each purchase process as of now, by the names of its paper, times in days."""
    candidates: list[dict[str, Any]]
    """`name`, `quality`: on the training windows the recipe was chosen by."""
    rivals: list[dict[str, Any]]
    """`name`, `quality`: each purchase process alone, on the test window."""


def write_notes(folder: Path, notes: ValueNotes) -> None:
    (folder / _FILE).write_text(json.dumps(asdict(notes)))


def read_notes(folder: Path) -> ValueNotes:
    return ValueNotes(**json.loads((folder / _FILE).read_text()))
