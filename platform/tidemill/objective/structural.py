"""From a pydantic model to the structural schema that Kubernetes asks of a custom resource."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from tidemill.objective.cel import RULES_KEYWORD
from tidemill.objective.duration import format_duration
from tidemill.objective.percent import format_percent

_KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "nullable",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    RULES_KEYWORD,
)

Schema = dict[str, Any]


class _JsonSchema(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """Durations and percentages as they are written in an objective, not as pydantic would."""
        if isinstance(dft, timedelta):
            return format_duration(dft)
        return format_percent(dft) if isinstance(dft, Decimal) else super().encode_default(dft)


def structural_schema(model: type[BaseModel], *, defaults: bool) -> Schema:
    """The OpenAPI v3 schema of `model`: no references, one type for every value.

    A field that may be None is one that may be left out: the API server drops nulls before it
    looks. With `defaults` it fills in what is left out.
    """
    schema = model.model_json_schema(schema_generator=_JsonSchema)
    return _structural(schema, schema.get("$defs", {}), defaults)


def _structural(node: Schema, definitions: Mapping[str, Schema], defaults: bool) -> Schema:
    node = _one_type(node, definitions)
    schema = {keyword: node[keyword] for keyword in _KEPT if keyword in node}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    if "const" in node:
        schema["enum"] = [node["const"]]
    if defaults and node.get("default") is not None:
        schema["default"] = _without_nulls(node["default"])
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), dict):
            schema[keyword] = _structural(node[keyword], definitions, defaults)
    if "properties" in node:
        schema["properties"] = {
            name: _structural(field, definitions, defaults)
            for name, field in node["properties"].items()
        }
    return schema


def _one_type(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """`node` with its reference resolved and its null left out; what stands beside them wins."""
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        return {**_one_type(target, definitions), **node}
    if "anyOf" in node:
        (choice,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
        return {**_one_type(choice, definitions), **node}
    return node


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
