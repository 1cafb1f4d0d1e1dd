"""The objective file, documented from its own schema: `python -m tidemill.objective.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from tidemill.objective.block import block_in, block_in_list, block_in_mapping
from tidemill.objective.schema import Objective

_INTRODUCTION = """# The objective file

What to predict, in one YAML file. Everything but the target has a default; an unknown key is an
error that names the nearest valid one. Check a file with `tidemill objective validate FILE`.

Lengths of time are written `28d`, `4w` or `12h`. This page is made from the schema itself.

| key | default | meaning |
|---|---|---|
"""


def render_reference() -> str:
    """Markdown with one table row per key, in the order of the schema."""
    return _INTRODUCTION + key_rows(Objective)


def key_rows(model: type[BaseModel]) -> str:
    """Rows of a Markdown table with the columns key, default and meaning."""
    return "\n".join(_rows(model, "")) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{key}` | {_default(field)} | {meaning} |"
        if block := block_in(field.annotation):
            yield from _rows(block, f"{key}.")
        elif block := block_in_mapping(field.annotation):
            yield from _rows(block, f"{key}.<name>.")
        elif block := block_in_list(field.annotation):
            yield from _rows(block, f"{key}[].")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or isinstance(value, BaseModel) or value in ({}, []):
        return ""
    annotation: Any = Annotated[field.annotation, field]
    return f"`{TypeAdapter[Any](annotation).dump_python(value, mode='json')}`"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
