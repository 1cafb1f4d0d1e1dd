"""Names, labels and annotations, checked as the API server checks them on every object."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

LONGEST_NAME = 63
NAME_PATTERN = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""KServe and Services want a letter first, other than names of Kubernetes in general."""
NOT_A_NAME = "must be lower-case letters, digits and '-', with no '-' at either end"
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_SUBDOMAIN = 253
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_MOST_ANNOTATION_BYTES = 256 * 1024


def _is_qualified(name: str) -> bool:
    return len(name) <= LONGEST_NAME and _QUALIFIED.fullmatch(name) is not None


def _check_key(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    is_prefix = len(prefix) <= _LONGEST_SUBDOMAIN and _SUBDOMAIN.fullmatch(prefix)
    if not _is_qualified(name) or (slash and not is_prefix):
        raise ValueError(
            "a key is a name of at most 63 letters, digits, '-', '_' or '.', "
            "perhaps after a domain and '/', like example.com/team"
        )
    return key


def _check_annotation_key(key: str) -> str:
    _check_key(key.lower())
    return key


def _check_label_value(value: str) -> str:
    if value and not _is_qualified(value):
        raise ValueError("a label is at most 63 letters, digits, '-', '_' or '.'")
    return value


def _check_size(annotations: dict[str, str]) -> dict[str, str]:
    size = sum(len(text.encode()) for pair in annotations.items() for text in pair)
    if size > _MOST_ANNOTATION_BYTES:
        raise ValueError(
            f"annotations hold at most {_MOST_ANNOTATION_BYTES:,} bytes, found {size:,}"
        )
    return annotations


def _as_text(value: Any) -> Any:
    return "" if value is None else value


_Text = Annotated[str, BeforeValidator(_as_text)]
Name = Annotated[str, Field(max_length=LONGEST_NAME, pattern=NAME_PATTERN)]
Labels = dict[
    Annotated[str, AfterValidator(_check_key)], Annotated[_Text, AfterValidator(_check_label_value)]
]
Annotations = Annotated[
    dict[Annotated[str, AfterValidator(_check_annotation_key)], _Text], AfterValidator(_check_size)
]
