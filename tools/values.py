"""The chart's schema and documentation, made from the comments in its values.yaml.

`python tools/values.py` writes helm/tidemill/values.schema.json and docs/values.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
VALUES = ROOT / "helm" / "tidemill" / "values.yaml"
SCHEMA = VALUES.with_name("values.schema.json")
PAGE = ROOT / "docs" / "values.md"

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_AMOUNTS = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number"], "pattern": _QUANTITY},
}
TYPES: dict[str, dict[str, Any]] = {
    "quantity": {"type": "string", "pattern": _QUANTITY},
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": _AMOUNTS, "limits": _AMOUNTS},
    },
    "tolerations": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "key": {"type": "string"},
                "operator": {"enum": ["Exists", "Equal"]},
                "value": {"type": "string"},
                "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
                "tolerationSeconds": {"type": "integer"},
            },
        },
    },
    "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "http": {"type": "string", "pattern": "^https?://[^/@]+(/.*)?$"},
    "optionalHttp": {"type": "string", "pattern": "^(https?://[^/@]+(/.*)?)?$"},
}

_INTRODUCTION = """# Values of the chart

Every key of [values.yaml](../helm/tidemill/values.yaml), from which this page is made. An unknown
key is an error. Passwords are never values: they are read from Secrets that you name.

"""


@dataclass(frozen=True)
class Comment:
    """What stands above a key."""

    text: str = ""
    schema: Any = None
    """A mapping to merge, the name of a type, or nothing."""


def read_comments(text: str) -> dict[str, Comment]:
    """Dotted key to the comment above it. A blank line ends a comment."""
    comments: dict[str, Comment] = {}
    lines: list[str] = []
    path: list[str] = []
    for line in text.splitlines():
        if found := re.match(r"^( *)# ?(.*)$", line):
            lines.append(found[2])
        elif found := re.match(r"^( *)(\w+):", line):
            path = [*path[: len(found[1]) // 2], found[2]]
            comments[".".join(path)] = _comment(lines)
            lines = []
        else:
            lines = []
    return comments


def _comment(lines: list[str]) -> Comment:
    prefix = "schema: "
    words = [line for line in lines if not line.startswith(prefix)]
    schemas = [yaml.safe_load(line.removeprefix(prefix)) for line in lines if line not in words]
    return Comment(" ".join(words), schemas[0] if schemas else None)


def render_schema(text: str) -> dict[str, Any]:
    """JSON Schema, draft 7, which Helm 3 and 4 both understand."""
    schema = _schema("", yaml.safe_load(text), read_comments(text))
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Tidemill chart",
        **schema,
    }


def _schema(path: str, value: Any, comments: Mapping[str, Comment]) -> dict[str, Any]:
    comment = comments.get(path, Comment())
    described = {"description": comment.text} if comment.text else {}
    if isinstance(comment.schema, str):
        return described | TYPES[comment.schema]
    if _is_block(value, comment):
        keys = {key: _schema(_join(path, key), child, comments) for key, child in value.items()}
        return described | {"type": "object", "additionalProperties": False, "properties": keys}
    return described | {"type": _type(value)} | (comment.schema or {})


def _is_block(value: Any, comment: Comment) -> bool:
    return isinstance(value, dict) and bool(value) and comment.schema is None


def _type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "string")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def render_page(text: str) -> str:
    """Markdown: a table for the keys of no block, then a section for each block."""
    values, comments = yaml.safe_load(text), read_comments(text)
    blocks = {key: value for key, value in values.items() if _is_block(value, comments[key])}
    plain = {key: value for key, value in values.items() if key not in blocks}
    sections = [_table("", plain, comments)]
    for key, block in blocks.items():
        sections.append(f"## {key}\n\n{comments[key].text}\n\n{_table(key, block, comments)}")
    return _INTRODUCTION + "\n".join(sections)


def _table(path: str, block: Mapping[str, Any], comments: Mapping[str, Comment]) -> str:
    rows = "".join(f"{row}\n" for row in _rows(path, block, comments))
    return f"| key | default | meaning |\n|---|---|---|\n{rows}"


def _rows(path: str, block: Mapping[str, Any], comments: Mapping[str, Comment]) -> Iterator[str]:
    for key, value in block.items():
        inner = _join(path, key)
        comment = comments[inner]
        if _is_block(value, comment):
            yield from _rows(inner, value, comments)
        else:
            default = "" if value in ("", [], {}) else f"`{_compact(value)}`"
            yield f"| `{inner}` | {default} | {comment.text.replace('|', chr(92) + '|')} |"


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(render_schema(VALUES.read_text()), indent=2) + "\n")
    PAGE.write_text(render_page(VALUES.read_text()))
