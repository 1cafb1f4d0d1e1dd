"""Validation errors in words: which key, which value, what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tidemill.objective.block import block_in, block_in_list, block_in_mapping
from tidemill.objective.kubernetes_metadata import NOT_A_NAME
from tidemill.objective.marked_yaml import MarkedData, Problem, dotted

_KEY = "[key]"
_LONGEST_VALUE = 80


def explain(error: ValidationError, model: type[BaseModel], marked: MarkedData) -> list[Problem]:
    """The problems of `marked` data that `model` refused."""
    return [_explain(details, model, marked) for details in error.errors()]


def nearest(word: str, valid: Sequence[str]) -> str:
    """A hint naming the valid word meant by `word`, or all valid words."""
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid here: {', '.join(valid)}"


def _explain(details: ErrorDetails, model: type[BaseModel], marked: MarkedData) -> Problem:
    path = tuple(part for part in details["loc"] if part != _KEY)
    kind = details["type"]
    if kind == "missing":
        return Problem(marked.line(path), dotted(path), "missing")
    if kind == "extra_forbidden":
        message = f"unknown key; {nearest(str(path[-1]), _keys_at(model, path[:-1]))}"
        return Problem(marked.line(path), dotted(path), message)
    line = marked.line(path) if _KEY in details["loc"] else marked.value_lines.get(path, 1)
    return Problem(line, dotted(path), _reason(details) + _got(details))


def _reason(details: ErrorDetails) -> str:
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    if details["type"] == "string_type":
        return "must be text (in quotes if it looks like a number or a date)"
    if details["type"] in ("model_type", "dict_type"):
        return "must be a mapping of keys to values"
    if details["type"] == "string_pattern_mismatch":
        return NOT_A_NAME
    if details["type"] == "too_long":
        return f"must have at most {details['ctx']['max_length']} items"
    message = details["msg"].replace("Input should be", "must be")
    return re.sub("^(String|Dictionary) should", "must", message)


def _got(details: ErrorDetails) -> str:
    value = details["input"]
    if isinstance(value, dict | BaseModel):
        return ""
    if value is None:
        return ", got nothing"
    if details["type"] == "too_long":
        return f", got {len(value)}"
    text = repr(value)
    return ", got " + (text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "...")


def _keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    annotation: Any = model
    for part in path:
        block = block_in(annotation)
        annotation = (
            block_in_mapping(annotation) or block_in_list(annotation)
            if block is None
            else block.model_fields[str(part)].annotation
        )
    block = block_in(annotation)
    return [] if block is None else list(block.model_fields)
