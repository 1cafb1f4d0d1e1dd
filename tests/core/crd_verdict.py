"""What a Kubernetes API server says of an object under a CustomResourceDefinition, without one.

In its order: strict decoding (unknown fields), its own rules for metadata, nulls dropped and
defaults filled in, the schema, and, once the schema holds, the CEL rules. Regular expressions run
on RE2, as there. No part of the API server runs here: where it was read wrongly, this is wrong.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import celpy
import re2
from celpy import celtypes
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

Schema = Mapping[str, Any]
RULES = "x-kubernetes-validations"
OBJECT_META = {
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
}
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
_KEY = r"(?:(?P<domain>[^/]*)/)?(?P<name>(?=.{1,63}$)[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)"
_VALUE = r"((?=.{1,63}$)[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)?"


def verdict_of(crd: Mapping[str, Any]) -> Callable[[Any], list[str]]:
    """A function from an object to everything the API server has against it."""
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]

    def verdict(document: Any) -> list[str]:
        try:
            found = _as_json(document)
        except (TypeError, ValueError) as error:
            return [f"not JSON: {error}"]
        if not isinstance(found, dict):
            return ["not an object"]
        complaints = [*_unknown(schema, found, ""), *_metadata(found.get("metadata"))]
        admitted = fill_defaults(schema, drop_nulls(schema, found))
        broken = [f"{e.json_path}: {e.message}" for e in _validator(schema).iter_errors(admitted)]
        return [*complaints, *(broken or _broken_rules(schema, admitted, "$"))]

    return verdict


def _as_json(document: Any) -> Any:
    """Over the wire, whole floats as integers, as kubectl writes them."""
    text = json.dumps(document, allow_nan=False)
    return json.loads(text, parse_float=lambda t: int(float(t)) if float(t) % 1 == 0 else float(t))


def _fields(schema: Schema, found: Any) -> Iterator[tuple[str, Schema | None]]:
    for key in found if isinstance(found, dict) else ():
        yield key, schema.get("properties", {}).get(key, schema.get("additionalProperties"))


def _items(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _unknown(schema: Schema, found: Any, path: str) -> Iterator[str]:
    for index, item in enumerate(_items(found)):
        yield from _unknown(schema.get("items", {}), item, f"{path}[{index}]")
    for key, field in _fields(schema, found):
        place = f"{path}.{key}"
        if place == ".metadata":
            continue
        if field is None:
            yield f"unknown field {place}"
        else:
            yield from _unknown(field, found[key], place)


def drop_nulls(schema: Schema, found: Any) -> Any:
    """What the API server keeps of an object: no null whose field is neither nullable nor filled
    in."""
    kept = found
    if isinstance(found, list):
        kept = [drop_nulls(schema.get("items", {}), item) for item in found]
    if isinstance(found, dict):
        fields = {key: field or {"nullable": True} for key, field in _fields(schema, found)}
        kept = {
            key: drop_nulls(fields[key], value)
            for key, value in found.items()
            if value is not None or fields[key].get("nullable") or "default" in fields[key]
        }
    return kept


def fill_defaults(schema: Schema, found: Any) -> Any:
    """The object with every default of its schema filled in."""
    if isinstance(found, list):
        return [fill_defaults(schema.get("items", {}), item) for item in found]
    if not isinstance(found, dict):
        return found
    filled = dict(found)
    for key, field in schema.get("properties", {}).items():
        if "default" in field and filled.get(key) is None:
            filled[key] = copy.deepcopy(field["default"])
        if key in filled:
            filled[key] = fill_defaults(field, filled[key])
    return filled


def _metadata(found: Any) -> Iterator[str]:
    """Complaints that Kubernetes has about the metadata of any object."""
    if not isinstance(found, dict):
        yield "metadata is no object"
        return
    yield from (f"unknown field .metadata.{key}" for key in found.keys() - OBJECT_META)
    for key, valid in (("name", _SUBDOMAIN), ("namespace", rf"(?=.{{1,63}}$){_LABEL}")):
        value = found.get(key)
        if (key == "name" or value is not None) and not _is_text(value, valid):
            yield f"metadata.{key} is not valid: {value!r}"
    yield from _pairs("labels", found.get("labels"), _VALUE, str)
    yield from _pairs("annotations", found.get("annotations"), r"[\s\S]*", str.lower)
    if len(json.dumps(found.get("annotations"), ensure_ascii=False).encode()) > 300_000:
        yield "annotations are too large"


def _pairs(where: str, found: Any, valid: str, fold: Callable[[str], str]) -> Iterator[str]:
    if found is None:
        return
    if not isinstance(found, dict):
        yield f"metadata.{where} is no object"
        return
    for key, value in found.items():
        match = re.fullmatch(_KEY, fold(key), re.ASCII)
        if not match or not _is_text(match["domain"] or "a", _SUBDOMAIN) or match["domain"] == "":
            yield f"metadata.{where} has a key that is not valid: {key}"
        if value is not None and not _is_text(value, valid):
            yield f"metadata.{where}.{key} is not valid: {value!r}"


def _is_text(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


@cache
def _validator_class() -> Any:
    plain = Draft202012Validator.VALIDATORS["type"]

    def check_type(validator: Any, types: Any, instance: Any, schema: Schema) -> Any:
        nullable = instance is None and schema.get("nullable")
        return () if nullable else plain(validator, types, instance, schema)

    def check_pattern(validator: Any, pattern: str, instance: Any, schema: Schema) -> Any:
        if isinstance(instance, str) and not re2.search(pattern, instance):
            yield ValidationError(f"{instance!r} should match {pattern}")

    def check_format(validator: Any, name: str, instance: Any, schema: Schema) -> Any:
        assert name == "date-time"
        try:
            datetime.fromisoformat(str(instance))
        except ValueError as error:
            yield ValidationError(str(error))

    keywords = {"type": check_type, "pattern": check_pattern, "format": check_format}
    return extend(Draft202012Validator, keywords)


def _validator(schema: Schema) -> Any:
    return _validator_class()(schema)


def _broken_rules(schema: Schema, found: Any, path: str) -> list[str]:
    broken: list[str] = []
    if found is not None:
        rules = schema.get(RULES, ())
        broken = [f"{path}: {r['message']}" for r in rules if not _holds(r["rule"], found)]
    for key, field in _fields(schema, found):
        broken += _broken_rules(field or {}, found[key], f"{path}.{key}")
    for index, item in enumerate(_items(found)):
        broken += _broken_rules(schema.get("items", {}), item, f"{path}[{index}]")
    return broken


def _holds(rule: str, found: Any) -> bool:
    try:
        return bool(_program(rule).evaluate({"self": celpy.json_to_cel(found)}))
    except celpy.CELEvalError:
        return False


@cache
def _program(rule: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule), functions=_FUNCTIONS)


def _substring(text: str, start: int, end: int | None = None) -> Any:
    return celtypes.StringType(str(text)[int(start) : None if end is None else int(end)])


def _lower_ascii(text: str) -> Any:
    return celtypes.StringType("".join(c.lower() if c.isascii() else c for c in text))


def _size(value: Any) -> Any:
    if value is None:
        raise celpy.CELEvalError("no such overload")
    return celtypes.IntType(len(value))


def _sum(numbers: Any) -> Any:
    return sum(numbers, celtypes.DoubleType(0))


_FUNCTIONS = {"substring": _substring, "lowerAscii": _lower_ascii, "size": _size, "sum": _sum}
"""What Kubernetes adds for texts and lists, and `size`, which is stricter there about nulls."""
