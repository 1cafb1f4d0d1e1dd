"""What the APIs have in common: a call comes in, a parcel of events and a reply come out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from tidemill.collector.bodies import form_fields, inflate
from tidemill.events.mapped import MappedEvent, parse_time_us
from tidemill.events.rules import TOO_LARGE
from tidemill.http.messages import Reply, Request

MB = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
TEXT = "text/plain; charset=utf-8"


class Fault(NamedTuple):
    """One refused event of a call."""

    position: int
    """In the call, from 0."""
    reason: str
    event: Any

    @property
    def is_size(self) -> bool:
        return self.reason in (TOO_LARGE, OVERSIZE)


OVERSIZE = "larger than the API allows"


class CallError(Exception):
    """A call that is refused whole."""

    def __init__(self, status: int, message: str, **fields: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = fields
        """What the API says besides."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, its body inflated."""

    path: str
    """Without a slash at its end."""
    fields: Mapping[str, str]
    """Of the query."""
    headers: Mapping[str, str]
    body: bytes
    received_at: int
    """Microseconds since 1970 UTC."""

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith(FORM)


@dataclass(frozen=True, slots=True)
class Parcel:
    """The events of a call, as they were sent."""

    keys: frozenset[str]
    """Every write key it shows."""
    events: Sequence[Any]
    map: Callable[[Any], MappedEvent]
    """Raises RefusedError."""
    answer: Callable[[Sequence[Fault]], Reply]
    """The reply once the events are kept, less those of the faults."""
    sent_at: int | None = None
    """By the client's clock, microseconds."""


@dataclass(frozen=True, slots=True)
class Api:
    """One route of a vendor."""

    name: str
    largest_body: int
    """Bytes, inflated."""
    read: Callable[[Call], Parcel]
    """Raises CallError or BodyError."""
    refuse: Callable[[CallError], Reply]
    """The API's words for a call that is refused whole."""
    methods: tuple[str, ...] = ("POST",)
    allows_credentials: bool = False
    """Whether browsers send it cookies, and so must be told that they may."""


def call_of(request: Request, largest_body: int, received_at: int) -> Call:
    """The call in `request`. Raises BodyError."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    return Call(
        request.path.rstrip("/"),
        form_fields(request.query),
        request.headers,
        inflate(request.body, encoding, largest_body),
        received_at,
    )


def basic_user(headers: Mapping[str, str]) -> str | None:
    """The user name of Basic authentication. Raises CallError when it cannot be read."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError) as error:
        raise CallError(401, "Basic authentication cannot be read") from error


def keys_among(*found: Any) -> frozenset[str]:
    """Those of `found` that can be write keys."""
    return frozenset(key for key in found if isinstance(key, str) and key)


def require_list(events: Any, field: str, most: int, status: int) -> list[Any]:
    """`events` if it is a list of at most `most`. Raises CallError, of `status` when too long."""
    if not isinstance(events, list):
        raise CallError(400, f"{field} is not a list")
    if len(events) > most:
        raise CallError(status, f"{len(events)} events; send at most {most} in one request")
    return events


def json_size(event: Any) -> int:
    """Bytes of the event as compact JSON. What cannot be written is refused when it is mapped."""
    try:
        return len(orjson.dumps(event))
    except TypeError:
        return 0


def sent_time(value: Any) -> int | None:
    """When the client says that it sent a request, microseconds."""
    return parse_time_us(value)


def json_reply(document: Mapping[str, object], status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(document))


def summary(faults: Sequence[Fault], total: int) -> str:
    """Which events were refused and why, in a line."""
    shown = "; ".join(f"event {fault.position}: {fault.reason}" for fault in faults[:_MOST_SHOWN])
    more = "; ..." if len(faults) > _MOST_SHOWN else ""
    return f"{len(faults)} of {total} events refused, the others are kept: {shown}{more}"


_MOST_SHOWN = 5
