"""From a YAML file to what it declares, or to the list of everything wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tidemill.objective.marked_yaml import MarkedData, Problem, read_marked
from tidemill.objective.problems import explain

Document = TypeVar("Document", bound=BaseModel)

_LARGEST_BYTES = 1_000_000


class UnreadableError(Exception):
    """A file without a text; the message says why."""


def check_document(path: Path, model: type[Document]) -> tuple[Document | None, list[Problem]]:
    """What the file declares, or None and what is wrong with it, in the order of its lines."""
    try:
        text = read_text(path)
    except UnreadableError as error:
        return None, [Problem(1, "", str(error))]
    return parse_document(text, model)


def parse_document(text: str, model: type[Document]) -> tuple[Document | None, list[Problem]]:
    """As `check_document`, from the text of a file."""
    marked = read_marked(text)
    problems = list(marked.problems)
    if not isinstance(marked.data, dict):
        problems = problems or [_not_a_mapping(marked, model)]
        return None, problems
    document = None
    try:
        document = model.model_validate(marked.data)
    except ValidationError as error:
        problems += explain(error, model, marked)
    if problems:
        return None, sorted(problems, key=lambda problem: problem.line)
    return document, []


def list_problems(path: Path, problems: list[Problem]) -> str:
    """One `FILE:LINE: key: what is wrong` per problem."""
    return "\n".join(f"{path}:{problem.line}: {problem}" for problem in problems)


def read_text(path: Path) -> str:
    """The text of a small file. Raises UnreadableError."""
    try:
        with path.open("rb") as handle:
            data = handle.read(_LARGEST_BYTES + 1)
        if len(data) > _LARGEST_BYTES:
            raise UnreadableError(f"the file is larger than {_LARGEST_BYTES:,} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8 text: byte {error.start} is not valid") from error


def _not_a_mapping(marked: MarkedData, model: type[BaseModel]) -> Problem:
    if marked.data is None:
        first, name = next(iter(model.model_fields)), _words(model)
        return Problem(1, "", f"the file is empty; {name} starts with '{first}:'")
    found = type(marked.data).__name__
    return Problem(1, "", f"must be a mapping of keys to values, found a {found}")


def _words(model: type[BaseModel]) -> str:
    """`TrackingPlan` as 'a tracking plan'."""
    name = "".join(f" {c.lower()}" if c.isupper() else c for c in model.__name__).strip()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
