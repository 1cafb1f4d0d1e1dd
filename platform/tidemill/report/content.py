"""The part of the page that depends on what the model does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Content:
    """A template that extends the layout, and what only it shows."""

    template: str
    parts: Mapping[str, Any]
