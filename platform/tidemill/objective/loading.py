"""From a YAML file to an Objective, or to the list of everything wrong with it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from tidemill.errors import ObjectiveError
from tidemill.objective.marked_yaml import MarkedData, Problem, read_marked
from tidemill.objective.problems import explain
from tidemill.objective.schema import Objective

_LARGEST_BYTES = 1_000_000


def load_objective(path: Path) -> Objective:
    """Read and validate an objective file.

    Raises ObjectiveError whose message holds one `FILE:LINE: key: what is wrong` per problem.
    """
    objective, problems = check_objective(path)
    if objective is None:
        lines = "\n".join(f"{path}:{problem.line}: {problem}" for problem in problems)
        raise ObjectiveError(
            lines, hint=f"fix the file, then try it with `tidemill objective validate {path}`"
        )
    return objective


def check_objective(path: Path) -> tuple[Objective | None, list[Problem]]:
    """The objective, or None and what is wrong with the file, in the order of its lines."""
    try:
        text = _read_text(path)
    except ObjectiveError as error:
        return None, [Problem(1, "", error.message)]
    return parse_objective(text)


def parse_objective(text: str) -> tuple[Objective | None, list[Problem]]:
    """As `check_objective`, from the text of a file."""
    marked = read_marked(text)
    problems = list(marked.problems)
    if not isinstance(marked.data, dict):
        problems = problems or [_not_a_mapping(marked)]
        return None, problems
    objective = None
    try:
        objective = Objective.model_validate(marked.data)
    except ValidationError as error:
        problems += explain(error, Objective, marked)
    if problems:
        return None, sorted(problems, key=lambda problem: problem.line)
    return objective, []


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            data = handle.read(_LARGEST_BYTES + 1)
        if len(data) > _LARGEST_BYTES:
            raise ObjectiveError(f"the file is larger than {_LARGEST_BYTES:,} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ObjectiveError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ObjectiveError(f"not UTF-8 text: byte {error.start} is not valid") from error


def _not_a_mapping(marked: MarkedData) -> Problem:
    if marked.data is None:
        return Problem(1, "", "the file is empty; an objective starts with 'apiVersion:'")
    found = type(marked.data).__name__
    return Problem(1, "", f"must be a mapping of keys to values, found a {found}")
