"""Numbers as people and Kubernetes write them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def _as_whole(value: Any) -> Any:
    """8.0 as 8: in JSON, and so for Kubernetes, they are one number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_as_whole)]
