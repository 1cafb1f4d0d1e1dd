"""From a YAML file to an Objective, or to the list of everything wrong with it."""

from __future__ import annotations

from pathlib import Path

from tidemill.errors import ObjectiveError
from tidemill.objective.documents import check_document, list_problems, parse_document
from tidemill.objective.marked_yaml import Problem
from tidemill.objective.schema import Objective


def load_objective(path: Path) -> Objective:
    """Read and validate an objective file.

    Raises ObjectiveError whose message holds one `FILE:LINE: key: what is wrong` per problem.
    """
    objective, problems = check_objective(path)
    if objective is None:
        raise ObjectiveError(
            list_problems(path, problems),
            hint=f"fix the file, then try it with `tidemill objective validate {path}`",
        )
    return objective


def check_objective(path: Path) -> tuple[Objective | None, list[Problem]]:
    """The objective, or None and what is wrong with the file, in the order of its lines."""
    return check_document(path, Objective)


def parse_objective(text: str) -> tuple[Objective | None, list[Problem]]:
    """As `check_objective`, from the text of a file."""
    return parse_document(text, Objective)
