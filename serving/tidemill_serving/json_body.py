"""JSON in, with arrays of numbers read straight into memory.

600 features as text cost twice the CPU when every number first becomes a Python object; simdjson
writes them into a buffer, and refuses text, null and booleans among them on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import simdjson

from tidemill_serving.errors import RequestError, show

_KEPT_BYTES = 2 * 1024 * 1024
"""A parser keeps memory of about ten times its largest document: larger ones get their own."""
_TENSOR_KEYS = ("name", "datatype", "shape", "data", "parameters")
_own = threading.local()


def parse_object(body: bytes, keys: Sequence[str], *, only: bool = False) -> dict[str, Any]:
    """The values of `keys` in `body`, those that are there.

    FP32 tensors hold their `data` as float64 [n] when it is all numbers. Raises RequestError when
    the body is not a JSON object, or with `only` when it has other keys.
    """
    try:
        document = _parser(len(body)).parse(body)
    except (ValueError, RuntimeError) as error:
        raise RequestError(
            f"body: not JSON{_place_of_fault(body)}", "send a JSON object"
        ) from error
    if not isinstance(document, simdjson.Object):
        kind = "a list" if isinstance(document, simdjson.Array) else show(document)
        raise RequestError(f"body: {kind} is not an object", "send a JSON object")
    if only:
        _refuse_others(document, keys)
    return _read(document, keys)


def _place_of_fault(body: bytes) -> str:
    """Where `body` stops being JSON, which simdjson does not tell."""
    try:
        body.decode()
        orjson.loads(body)
    except UnicodeDecodeError as error:
        return f", byte {error.start + 1} is not UTF-8"
    except orjson.JSONDecodeError as error:
        return f" at line {error.lineno}, column {error.colno}"
    return ""


def _refuse_others(document: simdjson.Object, keys: Sequence[str]) -> None:
    for key in document:
        if key not in keys:
            raise RequestError(f"body: unknown key {show(key)}", f"send {', '.join(keys)}")


def _parser(size: int) -> simdjson.Parser:
    if size > _KEPT_BYTES:
        return simdjson.Parser()
    parser: simdjson.Parser | None = getattr(_own, "parser", None)
    if parser is None:
        parser = _own.parser = simdjson.Parser()
    return parser


def _read(source: simdjson.Object, keys: Sequence[str], numeric: bool = False) -> dict[str, Any]:
    """Key by key, because items() would turn every number into an object at once."""
    fields: dict[str, Any] = {}
    for key in source:
        if key not in keys:
            continue
        value = source[key]
        if not isinstance(value, simdjson.Array):
            fields[key] = _plain(value)
        elif key == "inputs":
            fields[key] = [_tensor(entry) for entry in value]
        else:
            fields[key] = _numbers(value) if numeric and key == "data" else value.as_list()
    return fields


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    return value.as_list() if isinstance(value, simdjson.Array) else value


def _tensor(entry: Any) -> Any:
    if not isinstance(entry, simdjson.Object):
        return _plain(entry)
    numeric = "datatype" in entry and entry["datatype"] == "FP32"
    return _read(entry, _TENSOR_KEYS, numeric)


def _numbers(values: simdjson.Array) -> Any:
    try:
        return np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64)
    except TypeError:
        return values.as_list()
