"""V2 REST bodies: JSON, and JSON followed by binary tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from tidemill_serving.errors import RequestError, show
from tidemill_serving.model import Model
from tidemill_serving.predictor import Answer, Query
from tidemill_serving.tensors import (
    FEATURES_INPUT,
    OUTPUTS,
    USER_INPUT,
    Tensor,
    check_outputs,
    output_values,
    pack_output,
    read_query,
)

MAX_ID_CHARACTERS = 256
EXTENSIONS = ["binary_tensor_data"]


class InferRequest(NamedTuple):
    """A decoded body. `outputs`: name to whether its values go back as binary."""

    id: str | None
    query: Query
    outputs: dict[str, bool]


def decode_infer(body: bytes, header_length: int | None, features: int) -> InferRequest:
    """Parse an infer body for a model of `features` columns. Raises RequestError.

    `header_length` is the size of the JSON part when binary tensors follow it.
    """
    split = len(body) if header_length is None else header_length
    if not 0 < split <= len(body):
        raise RequestError(
            f"Inference-Header-Content-Length: {split}, but the body has {len(body)} bytes",
            "send the size of the JSON part",
        )
    fields = parse_object(body[:split] if split < len(body) else body)
    tensors = _read_tensors(fields, memoryview(body)[split:])
    return InferRequest(
        id=read_id(fields.get("id")),
        query=read_query(tensors, features),
        outputs=_read_outputs(fields),
    )


def encode_infer(answer: Answer, outputs: dict[str, bool]) -> tuple[bytes, int | None]:
    """The response body, and the size of its JSON part when binary tensors follow it."""
    entries: list[dict[str, Any]] = []
    buffers: list[bytes] = []
    shape = [len(answer.grades)]
    for name, binary in outputs.items():
        entry: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name], "shape": shape}
        if binary:
            buffers.append(pack_output(answer, name))
            entry["parameters"] = {"binary_data_size": len(buffers[-1])}
        else:
            entry["data"] = output_values(answer, name)
        entries.append(entry)
    header = orjson.dumps(
        {
            "model_name": answer.model_name,
            "model_version": answer.model_version,
            "id": answer.prediction_id,
            "outputs": entries,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return (b"".join([header, *buffers]), len(header)) if buffers else (header, None)


def describe_model(model: Model) -> dict[str, Any]:
    """The V2 model metadata document."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": USER_INPUT, "datatype": "BYTES", "shape": [-1]},
            {
                "name": FEATURES_INPUT,
                "datatype": "FP32",
                "shape": [-1, len(model.metadata.features)],
            },
        ],
        "outputs": [
            {"name": name, "datatype": datatype, "shape": [-1]}
            for name, datatype in OUTPUTS.items()
        ],
    }


def parse_object(body: bytes) -> dict[str, Any]:
    """`body` as a JSON object. Raises RequestError with the position of the fault."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"body: not JSON: {error}", "send a JSON object") from error
    if not isinstance(fields, dict):
        raise RequestError(f"body: {show(fields)} is not an object", "send a JSON object")
    return fields


def read_id(value: Any) -> str | None:
    """The caller's request id; None asks the server for one."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_ID_CHARACTERS:
        raise RequestError(
            f"id: {show(value)}", f"send a string of at most {MAX_ID_CHARACTERS} characters"
        )
    return value


def _read_tensors(fields: dict[str, Any], binary: memoryview) -> list[Tensor]:
    tensors: list[Tensor] = []
    at = 0
    for entry in _objects(fields, "inputs"):
        size = _parameters(entry, "inputs").get("binary_data_size")
        if size is None:
            tensors.append(_read_tensor(entry, data=_list(entry, "data")))
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - at:
            raise RequestError(
                f"inputs.parameters.binary_data_size: {show(size)}, but {len(binary) - at} bytes "
                f"are left",
                "send the exact size, and Inference-Header-Content-Length",
            )
        tensors.append(_read_tensor(entry, raw=binary[at : at + size]))
        at += size
    if at != len(binary):
        raise RequestError(
            f"body: {len(binary) - at} bytes after the last tensor",
            "give each binary input its parameters.binary_data_size",
        )
    return tensors


def _read_tensor(
    entry: dict[str, Any], data: list[Any] | None = None, raw: memoryview | None = None
) -> Tensor:
    shape = _list(entry, "shape")
    if any(type(size) is not int or size < 0 for size in shape):
        raise RequestError(f"inputs.shape: {show(shape)}", "send non-negative integers")
    return Tensor(_string(entry, "inputs"), _string(entry, "inputs", "datatype"), shape, data, raw)


def _read_outputs(fields: dict[str, Any]) -> dict[str, bool]:
    everywhere = _flag(_parameters(fields, "body"), "binary_data_output", False)
    asked = {} if fields.get("outputs") is None else _objects(fields, "outputs")
    flags = [_flag(_parameters(entry, "outputs"), "binary_data", everywhere) for entry in asked]
    names = check_outputs([_string(entry, "outputs") for entry in asked])
    return dict(zip(names, flags or [everywhere] * len(names), strict=True))


def _objects(fields: dict[str, Any], key: str) -> Sequence[dict[str, Any]]:
    entries = fields.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RequestError(f"{key}: {show(entries)}", "send a list of objects")
    return entries


def _parameters(entry: dict[str, Any], owner: str) -> dict[str, Any]:
    parameters = entry.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise RequestError(f"{owner}.parameters: {show(parameters)}", "send an object")
    return parameters


def _flag(parameters: dict[str, Any], key: str, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise RequestError(f"parameters.{key}: {show(value)}", "send true or false")
    return value


def _list(entry: dict[str, Any], key: str) -> list[Any]:
    value = entry.get(key)
    if not isinstance(value, list):
        raise RequestError(f"inputs.{key}: {show(value)}", "send a list")
    return value


def _string(entry: dict[str, Any], owner: str, key: str = "name") -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise RequestError(f"{owner}.{key}: {show(value)}", "send a string")
    return value
