"""The objectives a home knows, one file each."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tidemill.errors import ObjectiveError
from tidemill.home import Home
from tidemill.objective.loading import load_objective
from tidemill.objective.problems import nearest
from tidemill.objective.schema import Objective

_SUFFIXES = (".yaml", ".yml")


def known_objectives(home: Home) -> list[str]:
    """Names in alphabetical order."""
    return sorted(path.stem for path in home.objectives.glob("*.yaml"))


def resolve_objective(home: Home, ref: str | Path) -> Objective:
    """The objective meant by a path to a YAML file or by a known name.

    Raises ObjectiveError for a file that is not valid or a name that is not known.
    """
    if str(ref).endswith(_SUFFIXES):
        return load_objective(Path(ref))
    known = known_objectives(home)
    if str(ref) in known:
        return load_objective(home.objectives / f"{ref}.yaml")
    hint = nearest(str(ref), known) if known else "give the path of its YAML file"
    raise ObjectiveError(f"no objective is called '{ref}' in {home.root}", hint=hint)


def adopt_objective(home: Home, ref: str | Path) -> Objective:
    """The objective meant by `ref`; a file is remembered, so that its name will do from now on."""
    if str(ref).endswith(_SUFFIXES):
        return remember_objective(home, Path(ref))
    return resolve_objective(home, ref)


def remember_objective(home: Home, objective_path: Path) -> Objective:
    """Copy a valid objective file into the home under its name; replaces an older one at once."""
    objective = load_objective(objective_path)
    target = home.objectives / f"{objective.name}.yaml"
    text = objective_path.read_bytes()
    try:
        home.objectives.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home.objectives, suffix=".new", delete=False) as new:
            new.write(text)
        os.replace(new.name, target)
    except OSError as error:
        raise ObjectiveError(
            f"objective '{objective.name}' cannot be kept at {target}: {error.strerror}",
            hint="check that TIDEMILL_HOME is writable and its disk has room",
        ) from error
    return objective
