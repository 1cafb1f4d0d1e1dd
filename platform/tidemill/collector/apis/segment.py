"""Segment's HTTP API, which RudderStack's SDKs speak too.

Only what is not JSON and what is too large is answered with 400, as Segment does. The SDKs give up
a batch on 400, so the other events of a batch with an oversize one are kept all the same; should
somebody send it again, they are known by their messageId.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tidemill.collector.apis.api import (
    MB,
    OVERSIZE,
    Api,
    Call,
    CallError,
    Fault,
    Parcel,
    basic_user,
    json_reply,
    json_size,
    keys_among,
    require_list,
    sent_time,
    summary,
)
from tidemill.collector.bodies import load_object
from tidemill.connectors.segment import map_segment
from tidemill.events.mapped import MappedEvent, RefusedError
from tidemill.http.messages import Reply

LARGEST_EVENT = 32 * 1024
LARGEST_BATCH = 500 * 1024
LARGEST_RUDDER_BATCH = 4 * MB
MOST_EVENTS = 2_500
_CODES = {401: "unauthorized", 413: "too_large", 429: "rate_limited", 503: "unavailable"}
_KINDS = ("track", "identify", "page", "screen", "group", "alias")
_KIND_OF = {kind: kind for kind in _KINDS} | {kind[0]: kind for kind in _KINDS}
"""By the last part of the path; browsers send the first letter."""


def read(call: Call) -> Parcel:
    """The calls of a batch, or the one call of any other path."""
    body = load_object(call.body)
    kind = _KIND_OF.get(call.path.rpartition("/")[2])
    if kind is None:
        messages = require_list(body.get("batch"), "batch", MOST_EVENTS, 400)
    else:
        messages = [{**body, "type": kind}]
    _require_small(call, messages)
    shown = [message.get("writeKey") for message in messages if isinstance(message, dict)]
    sent_at = sent_time(body.get("sentAt"))
    return Parcel(
        keys_among(basic_user(call.headers), body.get("writeKey"), *shown),
        messages,
        partial(_map, sent_at=sent_at, received_at=call.received_at),
        partial(_answer, total=len(messages)),
        sent_at,
    )


def refuse(error: CallError) -> Reply:
    status = 400 if error.status == 413 else error.status
    code = _CODES.get(error.status, "invalid_request")
    return json_reply({"success": False, "code": code, "message": error.message}, status)


def _map(message: Any, sent_at: int | None, received_at: int) -> MappedEvent:
    if isinstance(message, dict):
        message.pop("writeKey", None)
    if json_size(message) > LARGEST_EVENT:
        raise RefusedError(OVERSIZE)
    return map_segment(message, sent_at, received_at)


def _answer(faults: Sequence[Fault], total: int) -> Reply:
    oversize = [fault for fault in faults if fault.is_size]
    if oversize:
        return refuse(CallError(413, summary(oversize, total)))
    return json_reply({"success": True})


def _require_small(call: Call, messages: list[Any]) -> None:
    # RudderStack's SDKs mark their events with a channel, and may send more at once.
    is_rudder = any(isinstance(message, dict) and "channel" in message for message in messages)
    limit = LARGEST_RUDDER_BATCH if is_rudder else LARGEST_BATCH
    if len(call.body) > limit:
        raise CallError(413, f"the batch has {len(call.body)} bytes; send at most {limit}")


_API = Api("segment", LARGEST_RUDDER_BATCH, read, refuse)
ROUTES = {f"/v1/{part}": _API for part in (*_KIND_OF, "batch", "b", "import")}
