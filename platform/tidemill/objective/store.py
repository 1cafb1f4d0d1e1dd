"""The objectives a home knows, one file each."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import yaml

from tidemill.errors import ObjectiveError
from tidemill.home import Home
from tidemill.objective.loading import check_objective, load_objective
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


def refuse_alert(home: Home, name: str) -> None:
    """Raise ObjectiveError where `name` is a known alert, which has no model to ask for."""
    if name in known_objectives(home):
        resolve_objective(home, name).require_model()


def adopt_objective(home: Home, ref: str | Path) -> Objective:
    """The objective meant by `ref`; a file is remembered, so that its name will do from now on."""
    if str(ref).endswith(_SUFFIXES):
        return remember_objective(home, Path(ref))
    return resolve_objective(home, ref)


def remember_objective(home: Home, objective_path: Path) -> Objective:
    """Copy a valid objective file into the home under its name; replaces an older one at once."""
    objective = load_objective(objective_path)
    _write(home, objective.name, objective_path.read_bytes())
    return objective


def keep_objective(home: Home, objective: Objective) -> None:
    """Make an objective that came without a file known by its name.

    A file that says the same already stays as its author wrote it.
    """
    path = home.objectives / f"{objective.name}.yaml"
    if path.exists() and check_objective(path)[0] == objective:
        return
    declared = objective.model_dump(mode="json", exclude_none=True)
    text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True)
    _write(home, objective.name, text.encode())


def _write(home: Home, name: str, text: bytes) -> None:
    target = home.objectives / f"{name}.yaml"
    try:
        home.objectives.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home.objectives, suffix=".new", delete=False) as new:
            new.write(text)
        os.replace(new.name, target)
    except OSError as error:
        raise ObjectiveError(
            f"objective '{name}' cannot be kept at {target}: {error.strerror}",
            hint="check that TIDEMILL_HOME is writable and its disk has room",
        ) from error
