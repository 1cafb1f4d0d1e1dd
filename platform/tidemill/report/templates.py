"""How every page of ours is rendered: escaped, and without a name that is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def template_environment(*folders: Path, **filters: Callable[..., Any]) -> Environment:
    """Templates of `folders`, then those of the report, which holds the common layout.

    Names come from other people's events, so everything is escaped.
    """
    environment = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment
