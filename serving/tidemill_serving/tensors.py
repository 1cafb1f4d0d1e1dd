"""Open Inference Protocol tensors: what a caller sends becomes a Query, an Answer goes back.

Inputs, one of: `user_id` BYTES [n] or [n, 1], or `features` FP32 [n, F]. Outputs: `score` FP64,
`grade` BYTES, `model_version` BYTES, `cold_start` BOOL, `arm` BYTES, each [n]; "" is an arm outside
experiments. Who is in an arm that is given nothing has the score NaN (null in JSON), grade "" and
version "".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.experiments.logged import Exposed
from tidemill_serving.errors import RequestError, show
from tidemill_serving.predictor import Answer
from tidemill_serving.stored_rows import Query

MAX_ROWS = 10_000
MAX_ID_BYTES = 512
USER_INPUT = "user_id"
FEATURES_INPUT = "features"
OUTPUTS = {
    "score": "FP64",
    "grade": "BYTES",
    "model_version": "BYTES",
    "cold_start": "BOOL",
    "arm": "BYTES",
}
OF_THE_PROTOCOL = (
    "binary_data_output",
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "priority",
    "timeout",
    "content_type",
)
"""Parameters that clients of the protocol add by themselves."""


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
    tensor = only_tensor(tensors, USER_INPUT, FEATURES_INPUT)
    if tensor.name == FEATURES_INPUT:
        return Query(vectors=_read_features(tensor, features))
    users = read_user_ids(tensor)
    check_users(users, USER_INPUT)
    return Query(users=users)


def only_tensor(tensors: Sequence[Tensor], *names: str) -> Tensor:
    """The one input, which has one of `names`. Raises RequestError."""
    wanted = " or ".join(f"'{name}'" for name in names)
    for tensor in tensors:
        if tensor.name not in names:
            raise RequestError(f"inputs: unknown name {show(tensor.name)}", f"send {wanted}")
    if len(tensors) != 1:
        raise RequestError(
            f"inputs: got {show([tensor.name for tensor in tensors])}",
            f"send {wanted}, exactly once",
        )
    return tensors[0]


def refuse_parameters(parameters: Iterable[str], also: Sequence[str] = ()) -> None:
    """Raise RequestError for any parameter that is not named in `also`, for models without any."""
    for name in parameters:
        if name not in also:
            raise RequestError(
                f"parameters: unknown name {show(name)}", "send none, this model has no parameters"
            )


def check_users(users: Sequence[object], field: str) -> None:
    """1 to `MAX_ROWS` ids, each as in `check_ids`."""
    check_rows(len(users), field)
    check_ids(users, field)


def check_ids(ids: Sequence[object], field: str) -> None:
    """Every id must be as in `check_id`."""
    for position, one in enumerate(ids):
        check_id(one, field, position)


def check_id(one: object, field: str, position: int | None = None) -> None:
    """An id must be a non-empty string of at most `MAX_ID_BYTES` bytes of UTF-8."""
    # A character takes at most 4 bytes, so most ids need not be encoded to be measured.
    if isinstance(one, str) and 1 <= len(one) <= MAX_ID_BYTES // 4:
        return
    where = field if position is None else f"{field}[{position}]"
    if not isinstance(one, str):
        raise RequestError(f"{where}: {show(one)} is not a string", "send ids as strings")
    if not one or len(one.encode()) > MAX_ID_BYTES:
        raise RequestError(
            f"{where}: {show(one)} has {len(one.encode())} bytes",
            f"send 1 to {MAX_ID_BYTES} bytes",
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
        "model_version": answer.versions,
        "cold_start": answer.cold_start,
        "arm": arm_values(answer.exposed, len(answer.grades)),
    }


def arm_values(exposed: Exposed, rows: int) -> list[str]:
    """Each row's arm; "" for who is in none."""
    return [arm or "" for arm in exposed.arms] or [""] * rows


def pack_output(values: list[Any] | NDArray[Any]) -> bytes:
    """Values of one output in the binary tensor layout."""
    return values.tobytes() if isinstance(values, np.ndarray) else pack_strings(values)


def pack_strings(values: Sequence[str]) -> bytes:
    """BYTES layout: for each value a uint32 little-endian length and its UTF-8."""
    encoded = [value.encode() for value in values]
    return b"".join(chain.from_iterable((len(v).to_bytes(4, "little"), v) for v in encoded))


def check_outputs(names: Sequence[str], known: Iterable[str]) -> Sequence[str]:
    """The outputs to answer with: those asked for, or all that are known when none is named."""
    for name in names:
        if name not in known:
            raise RequestError(f"outputs: unknown name {show(name)}", f"ask for {', '.join(known)}")
    if len(set(names)) != len(names):
        raise RequestError(f"outputs: {show(list(names))} repeats a name", "ask for each once")
    return names or list(known)


def read_user_ids(tensor: Tensor) -> list[Any]:
    """What stands for users in a tensor of [n] or [n, 1], unchecked. Raises RequestError."""
    _check_datatype(tensor, "BYTES")
    shape = tensor.shape
    if len(shape) != 1 and not (len(shape) == 2 and shape[1] == 1):
        raise shape_error(tensor, "[n] or [n, 1]")
    return read_texts(tensor)


def read_texts(tensor: Tensor) -> list[Any]:
    """The values of a BYTES tensor, row by row, as many as its shape says. Raises RequestError."""
    _check_datatype(tensor, "BYTES")
    count = prod(tensor.shape)
    if tensor.raw is None:
        texts = _plain_texts(tensor)
    else:
        texts = _unpack_strings(tensor.name, bytes(tensor.raw), count)
    if len(texts) != count:
        raise _count_error(tensor, len(texts), count)
    return texts


def _plain_texts(tensor: Tensor) -> list[Any]:
    """gRPC brings bytes; rows may be nested."""
    texts = [] if tensor.data is None else [*tensor.data]
    if texts and isinstance(texts[0], list):
        return [*chain.from_iterable(row if isinstance(row, list) else [row] for row in texts)]
    if texts and isinstance(texts[0], bytes):
        return [_decode(tensor.name, text) for text in texts]
    return texts


def _decode(name: str, text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"{name}: {show(text)} is not UTF-8", "encode ids as UTF-8") from error


def _unpack_strings(name: str, raw: bytes, count: int) -> list[str]:
    texts: list[str] = []
    at = 0
    while at < len(raw) and len(texts) < count:
        size = int.from_bytes(raw[at : at + 4], "little")
        end = at + 4 + size
        if end > len(raw) or at + 4 > len(raw):
            break
        texts.append(_decode(name, raw[at + 4 : end]))
        at = end
    if at != len(raw) or len(texts) != count:
        raise RequestError(
            f"{name}: {len(raw)} binary bytes do not hold {count} strings",
            "send a uint32 little-endian length before each id",
        )
    return texts


def _read_features(tensor: Tensor, width: int) -> NDArray[np.float32]:
    _check_datatype(tensor, "FP32")
    if len(tensor.shape) != 2 or tensor.shape[1] != width:
        raise shape_error(tensor, f"[n, {width}]")
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


def shape_error(tensor: Tensor, expected: str) -> RequestError:
    """The refusal of a tensor whose shape cannot be read."""
    return RequestError(f"{tensor.name}: shape is {show(list(tensor.shape))}", f"send {expected}")


def _count_error(tensor: Tensor, found: int, expected: int) -> RequestError:
    return RequestError(
        f"{tensor.name}: {found} values, but shape {show(list(tensor.shape))} has {expected}",
        "make data and shape agree",
    )
