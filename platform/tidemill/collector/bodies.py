"""From the bytes of a request to JSON, at a bounded cost."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import Any
from urllib.parse import parse_qsl

import orjson

UNREADABLE = object()
"""In place of a line that is not JSON."""
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_COMMON_FAULT = re.compile(rb"\\u[dD][89a-fA-F]|NaN|Infinity")
_STEP_BYTES = 256 * 1024
_MOST_FIELDS = 1_000
_MOST_VALUES = 1_000_000
"""Values in one body. Parsed, each takes many times the bytes that it has as text."""


class BodyError(Exception):
    """A body that cannot be read: an HTTP status, and words for the sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before its `content-encoding`. Raises BodyError.

    Gzip that is not announced is recognised by its first bytes. Nothing beyond `limit` bytes is
    inflated.
    """
    if encoding not in ("", "identity", "gzip"):
        raise BodyError(415, f"content-encoding '{encoding[:40]}' is not read; send gzip")
    if body.startswith(_GZIP_MAGIC):
        body = _inflate(body, limit)
    elif encoding == "gzip" and body:
        raise BodyError(400, "the body is not gzip, as its content-encoding says")
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int) -> BodyError:
    return BodyError(413, f"the body has more than {limit} bytes")


def load_json(body: bytes) -> Any:
    """What the JSON text holds. Raises BodyError.

    What is not JSON but common costs no batch: half a character, which a browser writes where one
    was cut in two, and NaN and infinities, which Python writes and which become null.
    """
    _require_few_values(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        found = _load_leniently(body)
        if found is UNREADABLE:
            raise BodyError(400, f"the body is not JSON: {error.msg}") from error
        return found


def load_lines(body: bytes, most: int) -> list[Any]:
    """What each line holds, UNREADABLE for one that is not JSON; of at most `most` lines.

    Raises BodyError.
    """
    _require_few_values(body)
    lines = body.rstrip().split(b"\n", most)
    if len(lines) > most:
        raise BodyError(413, f"the body has more than {most} lines")
    return [_load_line(line) for line in lines if line.strip()]


def load_object(body: bytes) -> dict[str, Any]:
    """As `load_json`, for what has to be an object."""
    found = load_json(body)
    if not isinstance(found, dict):
        raise BodyError(400, "the body is not a JSON object")
    return found


def form_fields(text: str) -> dict[str, str]:
    """Fields of a form or a query; the first of equal names. Raises BodyError."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BodyError(400, f"more than {_MOST_FIELDS} fields") from error
    return dict(reversed(pairs))


def plain_or_base64(text: str) -> bytes:
    """JSON text as it is, or out of base64. Raises BodyError."""
    if text.lstrip()[:1] in ("{", "["):
        return text.encode(errors="surrogatepass")
    # A plus sign that was not escaped reads as a space in a form.
    encoded = text.strip().replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BodyError(400, "data is neither JSON nor base64") from error


def _require_few_values(body: bytes) -> None:
    if body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES:
        raise BodyError(413, f"the body has more than {_MOST_VALUES} values")


def _load_line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _load_leniently(line)


def _load_leniently(text: bytes) -> Any:
    """JSON with lone surrogates or NaN, which orjson refuses; UNREADABLE for any other fault."""
    if _COMMON_FAULT.search(text) is None:
        return UNREADABLE
    try:
        return json.loads(text.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return UNREADABLE


def _no_number(_: str) -> None:
    """NaN, Infinity and -Infinity say that there is no number."""


def _inflate(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    pieces, size, rest = [], 0, body
    try:
        while rest and not inflater.eof:
            piece = inflater.decompress(rest, _STEP_BYTES)
            rest = inflater.unconsumed_tail
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise too_large(limit)
    except zlib.error as error:
        raise BodyError(400, "the body is not valid gzip") from error
    if not inflater.eof:
        raise BodyError(400, "the body is gzip that ends too early")
    return b"".join(pieces)
