"""PostHog's capture API.

On 400 and 413 the SDKs give up a batch, so its good events are kept all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tidemill.collector.apis.api import (
    MB,
    Api,
    Call,
    CallError,
    Fault,
    Parcel,
    json_reply,
    keys_among,
    sent_time,
    summary,
)
from tidemill.collector.bodies import form_fields, load_json, plain_or_base64
from tidemill.connectors.posthog import map_posthog
from tidemill.http.messages import Reply

LARGEST_REQUEST = 20 * MB
_KINDS = {
    400: "validation_error",
    401: "authentication_error",
    413: "validation_error",
    429: "throttled_error",
}


def read(call: Call) -> Parcel:
    return parcel_of(call, load_json(_text(call)))


def parcel_of(call: Call, body: Any) -> Parcel:
    """The parcel of a parsed body: a batch, a list of events, or one event. Raises CallError."""
    events = _events(body)
    if not events:
        raise CallError(400, "request holds no event")
    envelope = body if isinstance(body, dict) else {}
    sent_at = sent_time(envelope.get("sent_at"))
    if sent_at is None:
        sent_at = sent_time(call.fields.get("_"))
    return Parcel(
        _keys(call, envelope, events),
        events,
        partial(map_posthog, sent_at=sent_at, received_at=call.received_at),
        partial(_answer, total=len(events)),
        sent_at,
    )


def refuse(error: CallError) -> Reply:
    kind = _KINDS.get(error.status, "server_error")
    return json_reply({"type": kind, "code": kind, "detail": error.message}, error.status)


def _text(call: Call) -> bytes:
    """The JSON of a body, which browsers send as a form, in base64."""
    if not (call.is_form or call.body.startswith(b"data=")):
        return call.body
    fields = form_fields(call.body.decode("latin-1"))
    return plain_or_base64(fields.get("data", ""))


def _events(body: Any) -> list[Any]:
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        raise CallError(400, "the body is neither a JSON object nor a list")
    batch = body.get("batch")
    if batch is None:
        return [body]
    if not isinstance(batch, list):
        raise CallError(400, "batch is not a list")
    return batch


def _keys(call: Call, envelope: dict[str, Any], events: list[Any]) -> frozenset[str]:
    shown = [envelope.get("api_key"), envelope.get("token"), call.fields.get("token")]
    for event in events:
        if isinstance(event, dict):
            properties = event.get("properties")
            shown.append(event.pop("api_key", None))
            shown.append(properties.get("token") if isinstance(properties, dict) else None)
    return keys_among(*shown)


def _answer(faults: Sequence[Fault], total: int) -> Reply:
    if not faults:
        return json_reply({"status": 1})
    status = 413 if any(fault.is_size for fault in faults) else 400
    return refuse(CallError(status, summary(faults, total)))


_API = Api("posthog", LARGEST_REQUEST, read, refuse)
ROUTES = dict.fromkeys(("/capture", "/e", "/i/v0/e"), _API)
