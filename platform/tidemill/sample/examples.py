"""The example objectives, which ship with the package."""

from __future__ import annotations

from pathlib import Path

from tidemill.errors import ObjectiveError

_PACKAGE = Path(__file__).parent.parent
# A wheel carries them inside the package; a checkout has them at its root, where people look.
_FOLDERS = (_PACKAGE / "examples", _PACKAGE.parent.parent / "examples")


def example_objective(name: str) -> Path:
    """The file of one example. Raises ObjectiveError when there is none of that name."""
    for folder in _FOLDERS:
        if (folder / f"{name}.yaml").exists():
            return folder / f"{name}.yaml"
    raise ObjectiveError(f"there is no example objective '{name}'")
