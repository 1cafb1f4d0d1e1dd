"""Open Inference Protocol tensors: what a caller sends becomes a Query, an Answer goes back.

Inputs, one of: `user_id` BYTES [n] or [n, 1], or `features` FP32 [n, F]. Outputs: `score` FP64,
`grade` BYTES, `model_version` BYTES, `cold_start` BOOL, each [n].
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill_serving.errors import RequestError, show
from tidemill_serving.predictor import Answer, Query

MAX_ROWS = 10_000
MAX_USER_BYTES = 512
USER_INPUT = "user_id"
FEATURES_INPUT = "features"
OUTPUTS = {"score": "FP64", "grade": "BYTES", "model_version": "BYTES", "cold_start": "BOOL"}


Values = Sequence[Any] | NDArray[np.float64]


class Tensor(NamedTuple):
    """An input as sent: `data` holds decoded values, or `raw` the little-endian bytes."""

    name: str
    datatype: str
    shape: Sequence[int]
    data: Values | None = None
    raw: bytes | memoryview | None = None


def read_query(tensors: Sequence[Tensor], features: int) -> Query:
    """The question in `tensors` for a model of `features` columns. Raises RequestError."""
    for tensor in tensors:
        if tensor.name not in (USER_INPUT, FEATURES_INPUT):
            raise RequestError(
                f"inputs: unknown name {show(tensor.name)}",
                f"send '{USER_INPUT}' or '{FEATURES_INPUT}'",
            )
    if len(tensors) != 1:
        raise RequestError(
            f"inputs: got {show([tensor.name for tensor in tensors])}",
            f"send '{USER_INPUT}' or '{FEATURES_INPUT}', exactly once",
        )
    tensor = tensors[0]
    if tensor.name == USER_INPUT:
        return Query(users=_read_users(tensor))
    return Query(vectors=_read_features(tensor, features))


def check_users(users: Sequence[object], field: str) -> None:
    """Every id must be a non-empty string of at most `MAX_USER_BYTES` bytes of UTF-8."""
    check_rows(len(users), field)
    for position, user in enumerate(users):
        if not isinstance(user, str):
            raise RequestError(
                f"{field}[{position}]: {show(user)} is not a string", "send ids as strings"
            )
        # A character takes at most 4 bytes, so most ids need not be encoded to be measured.
        if not user or (len(user) * 4 > MAX_USER_BYTES and len(user.encode()) > MAX_USER_BYTES):
            raise RequestError(
                f"{field}[{position}]: {show(user)} has {len(user.encode())} bytes",
                f"send 1 to {MAX_USER_BYTES} bytes",
            )


def check_rows(count: int, field: str) -> None:
    """A request holds 1 to `MAX_ROWS` rows."""
    if not 1 <= count <= MAX_ROWS:
        raise RequestError(f"{field}: {count} rows", f"send 1 to {MAX_ROWS} rows a request")


def output_values(answer: Answer) -> dict[str, list[Any] | NDArray[Any]]:
    """Values of every output, ready for JSON."""
    return {
        "score": answer.scores,
        "grade": answer.grades,
        "model_version": [answer.model_version] * len(answer.grades),
        "cold_start": answer.cold_start,
    }


def pack_output(values: list[Any] | NDArray[Any]) -> bytes:
    """Values of one output in the binary tensor layout."""
    return values.tobytes() if isinstance(values, np.ndarray) else pack_strings(values)


def pack_strings(values: Sequence[str]) -> bytes:
    """BYTES layout: for each value a uint32 little-endian length and its UTF-8."""
    encoded = [value.encode() for value in values]
    return b"".join(chain.from_iterable((len(v).to_bytes(4, "little"), v) for v in encoded))


def check_outputs(names: Sequence[str]) -> Sequence[str]:
    """The outputs to answer with: those asked for, or all when none is named."""
    for name in names:
        if name not in OUTPUTS:
            raise RequestError(
                f"outputs: unknown name {show(name)}", f"ask for {', '.join(OUTPUTS)}"
            )
    if len(set(names)) != len(names):
        raise RequestError(f"outputs: {show(list(names))} repeats a name", "ask for each once")
    return names or list(OUTPUTS)


def _read_users(tensor: Tensor) -> list[str]:
    _check_datatype(tensor, "BYTES")
    shape = tensor.shape
    if len(shape) != 1 and not (len(shape) == 2 and shape[1] == 1):
        raise _shape_error(tensor, "[n] or [n, 1]")
    if tensor.raw is None:
        users = _plain_users(tensor.data)
    else:
        users = _unpack_strings(bytes(tensor.raw), shape[0])
    if len(users) != shape[0]:
        raise _count_error(tensor, len(users), shape[0])
    check_users(users, USER_INPUT)
    return users


def _plain_users(data: Any) -> list[Any]:
    """gRPC brings bytes; a column [n, 1] may be nested."""
    users = [] if data is None else [*data]
    if users and isinstance(users[0], list):
        return [user[0] if isinstance(user, list) and len(user) == 1 else user for user in users]
    if users and isinstance(users[0], bytes):
        return [_decode(user) for user in users]
    return users


def _decode(user: bytes) -> str:
    try:
        return user.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{USER_INPUT}: {show(user)} is not UTF-8", "encode ids as UTF-8"
        ) from error


def _unpack_strings(raw: bytes, count: int) -> list[str]:
    users: list[str] = []
    at = 0
    while at < len(raw) and len(users) < count:
        size = int.from_bytes(raw[at : at + 4], "little")
        end = at + 4 + size
        if end > len(raw) or at + 4 > len(raw):
            break
        users.append(_decode(raw[at + 4 : end]))
        at = end
    if at != len(raw) or len(users) != count:
        raise RequestError(
            f"{USER_INPUT}: {len(raw)} binary bytes do not hold {count} strings",
            "send a uint32 little-endian length before each id",
        )
    return users


def _read_features(tensor: Tensor, width: int) -> NDArray[np.float32]:
    _check_datatype(tensor, "FP32")
    if len(tensor.shape) != 2 or tensor.shape[1] != width:
        raise _shape_error(tensor, f"[n, {width}]")
    count = tensor.shape[0]
    check_rows(count, FEATURES_INPUT)
    flat = _unpack_floats(tensor) if tensor.raw is not None else _read_numbers(tensor, width)
    if len(flat) != count * width:
        raise _count_error(tensor, len(flat), count * width)
    finite = np.isfinite(flat)
    if np.count_nonzero(finite) < len(flat):
        at = int(np.argmin(finite))
        raise RequestError(
            f"{FEATURES_INPUT}: value {flat[at]} in row {at // width}, column {at % width} is not "
            f"a finite FP32 number",
            f"send finite numbers, or '{USER_INPUT}' to let the server read the features",
        )
    return flat.reshape(count, width)


def _unpack_floats(tensor: Tensor) -> NDArray[np.float32]:
    raw = tensor.raw or b""
    if len(raw) % 4:
        raise RequestError(f"{FEATURES_INPUT}: {len(raw)} binary bytes", "send 4 bytes a value")
    # A tensor may start at any byte of the body; the runtime wants aligned memory.
    return np.require(np.frombuffer(raw, dtype="<f4"), requirements="A")


def _read_numbers(tensor: Tensor, width: int) -> NDArray[np.float32]:
    data = () if tensor.data is None else tensor.data
    if isinstance(data, np.ndarray):
        with np.errstate(over="ignore"):
            return data.astype(np.float32)
    # NumPy would quietly read "1", None and True as numbers.
    if set(map(type, data)) - {int, float}:
        at, value = next((i, v) for i, v in enumerate(data) if type(v) not in (int, float))
        raise RequestError(
            f"{FEATURES_INPUT}: {show(value)} in row {at // width}, column {at % width} is not "
            f"a number",
            f"send numbers, or '{USER_INPUT}' to let the server read the features",
        )
    return np.array(data, dtype=np.float32)


def _check_datatype(tensor: Tensor, expected: str) -> None:
    if tensor.datatype != expected:
        raise RequestError(
            f"{tensor.name}: datatype is {show(tensor.datatype)}", f"send datatype '{expected}'"
        )


def _shape_error(tensor: Tensor, expected: str) -> RequestError:
    return RequestError(f"{tensor.name}: shape is {show(list(tensor.shape))}", f"send {expected}")


def _count_error(tensor: Tensor, found: int, expected: int) -> RequestError:
    return RequestError(
        f"{tensor.name}: {found} values, but shape {show(list(tensor.shape))} has {expected}",
        "make data and shape agree",
    )
