"""V2 REST bodies: JSON, and JSON followed by binary tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from tidemill_serving.errors import RequestError, show
from tidemill_serving.forms import Form, form_of
from tidemill_serving.json_body import parse_object
from tidemill_serving.recommendation_query import RecommendationQuery
from tidemill_serving.repository import Answered, Served
from tidemill_serving.stored_rows import Query
from tidemill_serving.tensors import Tensor, check_outputs, pack_output

MAX_ID_CHARACTERS = 256
EXTENSIONS = ["binary_tensor_data"]
_KEYS = ("id", "parameters", "inputs", "outputs")


class InferRequest(NamedTuple):
    """A decoded body. `outputs`: name to whether its values go back as binary."""

    id: str | None
    query: Query | RecommendationQuery
    outputs: dict[str, bool]


def decode_infer(body: bytes, header_length: int | None, served: Served) -> InferRequest:
    """Parse an infer body for what is `served`. Raises RequestError.

    `header_length` is the size of the JSON part when binary tensors follow it.
    """
    split = len(body) if header_length is None else header_length
    if not 0 < split <= len(body):
        raise RequestError(
            f"Inference-Header-Content-Length: {split}, but the body has {len(body)} bytes",
            "send the size of the JSON part",
        )
    fields = parse_object(body[:split] if split < len(body) else body, _KEYS)
    tensors = _read_tensors(fields, memoryview(body)[split:])
    form, parameters = form_of(served), _parameters(fields, "body")
    return InferRequest(
        id=read_id(fields.get("id")),
        query=form.read(tensors, parameters, served.model),
        outputs=_read_outputs(fields, parameters, form),
    )


def encode_infer(
    answer: Answered, outputs: dict[str, bool], form: Form
) -> tuple[bytes, int | None]:
    """The response body, and the size of its JSON part when binary tensors follow it."""
    entries: list[dict[str, Any]] = []
    buffers: list[bytes] = []
    values = form.values(answer)
    for name, binary in outputs.items():
        entry: dict[str, Any] = {
            "name": name,
            "datatype": form.outputs[name],
            "shape": form.shape(name, answer),
        }
        if binary:
            buffers.append(pack_output(values[name]))
            entry["parameters"] = {"binary_data_size": len(buffers[-1])}
        else:
            entry["data"] = values[name]
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


def describe_model(served: Served) -> dict[str, Any]:
    """The V2 model metadata document."""
    form = form_of(served)
    return {
        "name": served.model.name,
        "versions": [served.model.version],
        "platform": "onnxruntime_onnx",
        "inputs": form.inputs(served.model),
        "outputs": [
            {"name": name, "datatype": datatype, "shape": form.shape(name, None)}
            for name, datatype in form.outputs.items()
        ],
    }


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
        size = (
            _parameters(entry, "inputs").get("binary_data_size") if "parameters" in entry else None
        )
        if size is None:
            tensors.append(_read_tensor(entry, None))
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - at:
            raise RequestError(
                f"inputs.parameters.binary_data_size: {show(size)}, but {len(binary) - at} bytes "
                f"are left",
                "send the exact size, and Inference-Header-Content-Length",
            )
        tensors.append(_read_tensor(entry, binary[at : at + size]))
        at += size
    if at != len(binary):
        raise RequestError(
            f"body: {len(binary) - at} bytes after the last tensor",
            "give each binary input its parameters.binary_data_size",
        )
    return tensors


def _read_tensor(entry: dict[str, Any], raw: memoryview | None) -> Tensor:
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    data = entry.get("data") if raw is None else None
    if not isinstance(name, str):
        raise _expected("inputs.name", name, "a string")
    if not isinstance(datatype, str):
        raise _expected("inputs.datatype", datatype, "a string")
    if not isinstance(shape, list):
        raise _expected("inputs.shape", shape, "a list")
    for size in shape:
        if type(size) is not int or size < 0:
            raise _expected("inputs.shape", shape, "non-negative integers")
    if raw is None and not isinstance(data, list | np.ndarray):
        raise _expected("inputs.data", data, "a list")
    return Tensor(name, datatype, shape, data, raw)


def _read_outputs(
    fields: dict[str, Any], parameters: dict[str, Any], form: Form
) -> dict[str, bool]:
    if "outputs" not in fields and not parameters:
        return dict.fromkeys(form.outputs, False)
    everywhere = _flag(parameters, "binary_data_output", False)
    asked = [] if fields.get("outputs") is None else _objects(fields, "outputs")
    flags = [_flag(_parameters(entry, "outputs"), "binary_data", everywhere) for entry in asked]
    names = check_outputs([_name(entry) for entry in asked], form.outputs)
    return dict(zip(names, flags or [everywhere] * len(names), strict=True))


def _expected(field: str, value: Any, wanted: str) -> RequestError:
    return RequestError(f"{field}: {show(value)}", f"send {wanted}")


def _name(entry: dict[str, Any]) -> str:
    name = entry.get("name")
    if not isinstance(name, str):
        raise _expected("outputs.name", name, "a string")
    return name


def _objects(fields: dict[str, Any], key: str) -> Sequence[dict[str, Any]]:
    entries = fields.get(key)
    if not isinstance(entries, list):
        raise _expected(key, entries, "a list of objects")
    for entry in entries:
        if not isinstance(entry, dict):
            raise _expected(key, entries, "a list of objects")
    return entries


def _parameters(entry: dict[str, Any], owner: str) -> dict[str, Any]:
    parameters = entry.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise _expected(f"{owner}.parameters", parameters, "an object")
    return parameters


def _flag(parameters: dict[str, Any], key: str, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise _expected(f"parameters.{key}", value, "true or false")
    return value
