"""YAML that remembers where everything stood, and trusts nothing.

Only plain data: no aliases (they can blow a small file up to gigabytes), no tags, no deep nesting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

_DEEPEST = 20

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file."""

    line: int
    """From 1."""
    key: str
    """Dotted path of the key; empty for the file as a whole."""
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


@dataclass
class MarkedData:
    """Plain data and the place of each of its keys and values."""

    data: Any = None
    key_lines: dict[Path, int] = field(default_factory=dict)
    value_lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the key at `path`, or of the nearest part of it that exists."""
        while path and path not in self.key_lines:
            path = path[:-1]
        return self.key_lines.get(path, 1)


class _RefusedError(Exception):
    """Valid YAML that an objective file has no use for."""

    def __init__(self, node: yaml.Event | yaml.Node, message: str) -> None:
        super().__init__(message)
        self.line = 1 if node.start_mark is None else node.start_mark.line + 1


def read_marked(text: str) -> MarkedData:
    """Parse one YAML document. Everything wrong is listed in `problems`, never raised."""
    marked = MarkedData()
    try:
        _refuse_traps(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            marked.data = _construct(node, (), marked)
    except _RefusedError as error:
        marked.problems.append(Problem(error.line, "", str(error)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        words = ", ".join(part for part in (error.context, error.problem) if part)
        marked.problems.append(Problem(line, "", f"not valid YAML: {words}"))
    except yaml.YAMLError as error:
        first_line = str(error).splitlines()[0]
        marked.problems.append(Problem(1, "", f"not valid YAML: {first_line}"))
    return marked


def _refuse_traps(text: str) -> None:
    """Look at the stream of events only, so nothing is built before it is known to be harmless."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(
                event, f"aliases are not allowed; write the value of '*{event.anchor}' out"
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            raise _RefusedError(event, f"tags are not allowed; remove '{event.tag}'")
        if depth > _DEEPEST:
            raise _RefusedError(event, f"nested more than {_DEEPEST} levels deep")


def _construct(node: yaml.Node, path: Path, marked: MarkedData) -> Any:
    marked.value_lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _construct_mapping(node, path, marked)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, at), marked) for at, item in enumerate(node.value)]
    return _construct_scalar(node)


def _construct_mapping(node: yaml.MappingNode, path: Path, marked: MarkedData) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        line = key_node.start_mark.line + 1
        place = (*path, key)
        if key in mapping:
            first = marked.key_lines[place]
            message = f"given twice, first on line {first}"
            marked.problems.append(Problem(line, dotted(place), message))
            continue
        marked.key_lines[place] = line
        mapping[key] = _construct(value_node, place, marked)
    return mapping


def _construct_scalar(node: yaml.Node) -> Any:
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (ValueError, OverflowError) as error:
        raise _RefusedError(node, f"'{str(node.value)[:80]}' is not valid: {error}") from error


def dotted(path: Path) -> str:
    """`('spec', 'training', 'seed')` as 'spec.training.seed'."""
    return ".".join(map(str, path))
