"""The objective file, documented from its own schema: `python -m tidemill.objective.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tidemill.objective.duration import format_duration
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
    return _INTRODUCTION + "\n".join(_rows(Objective, "")) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{key}` | {_default(field)} | {meaning} |"
        block = _block(field.annotation)
        if block is not None:
            yield from _rows(block, f"{key}.")


def _block(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    for option in options:
        if option is not NoneType and isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or isinstance(value, BaseModel) or value == {}:
        return ""
    return f"`{format_duration(value) if isinstance(value, timedelta) else value}`"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
