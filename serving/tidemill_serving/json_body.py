"""JSON in, with arrays of numbers read straight into memory.

600 features as text cost twice the CPU when every number first becomes a Python object; simdjson
writes them into a buffer, and refuses text, null and booleans among them on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import simdjson

from tidemill_serving.errors import RequestError, show

_KEPT_BYTES = 2 * 1024 * 1024
"""A parser keeps memory of about ten times its largest document: larger ones get their own."""
_own = threading.local()


def parse_object(body: bytes, keys: Sequence[str]) -> dict[str, Any]:
    """The values of `keys` in `body`, those that are there and not null.

    Tensors in `inputs` hold their `data` as float64 [n] when it is all numbers. Raises
    RequestError when the body is not a JSON object.
    """
    try:
        document = _parser(len(body)).parse(body)
    except (ValueError, RuntimeError) as error:
        raise RequestError(f"body: not JSON: {error}", "send a JSON object") from error
    if not isinstance(document, simdjson.Object):
        kind = "a list" if isinstance(document, simdjson.Array) else show(document)
        raise RequestError(f"body: {kind} is not an object", "send a JSON object")
    return _read(document, keys)


def _parser(size: int) -> simdjson.Parser:
    if size > _KEPT_BYTES:
        return simdjson.Parser()
    parser: simdjson.Parser | None = getattr(_own, "parser", None)
    if parser is None:
        parser = _own.parser = simdjson.Parser()
    return parser


def _read(source: simdjson.Object, keys: Sequence[str]) -> dict[str, Any]:
    """Key by key, because items() would turn every number into an object at once."""
    fields: dict[str, Any] = {}
    for key in keys:
        value = source.get(key)
        if isinstance(value, simdjson.Array):
            fields[key] = _ARRAYS.get(key, simdjson.Array.as_list)(value)
        elif isinstance(value, simdjson.Object):
            fields[key] = value.as_dict()
        elif value is not None:
            fields[key] = value
    return fields


def _tensors(inputs: simdjson.Array) -> list[Any]:
    return [_tensor(entry) for entry in inputs]


def _tensor(entry: Any) -> Any:
    if not isinstance(entry, simdjson.Object):
        return entry.as_list() if isinstance(entry, simdjson.Array) else entry
    return _read(entry, _TENSOR_KEYS)


def _numbers(values: simdjson.Array) -> Any:
    try:
        return np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64)
    except TypeError:
        return values.as_list()


_TENSOR_KEYS = ("name", "datatype", "shape", "data", "parameters")
_ARRAYS: dict[str, Callable[[simdjson.Array], Any]] = {"inputs": _tensors, "data": _numbers}
