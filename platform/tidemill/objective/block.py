"""What all mappings of our YAML documents have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator


class Block(BaseModel):
    """A mapping whose unknown keys are errors and whose docstrings are its documentation."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, data: Any) -> Any:
        """As the API server does: a known key without a value is a key left out."""
        if not isinstance(data, Mapping):
            return data
        known = cls.model_fields
        return {key: item for key, item in data.items() if item is not None or key not in known}


def block_in(annotation: Any) -> type[BaseModel] | None:
    """The block that a field annotated so holds, if it holds one."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    for option in options:
        if option is not NoneType and isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def block_in_mapping(annotation: Any) -> type[BaseModel] | None:
    """The block that each value of a mapping annotated so holds, if it is one of blocks."""
    return block_in(get_args(annotation)[1]) if get_origin(annotation) is dict else None


def block_in_list(annotation: Any) -> type[BaseModel] | None:
    """The block that each element of a list annotated so holds, if it is one of blocks."""
    return block_in(get_args(annotation)[0]) if get_origin(annotation) is list else None
