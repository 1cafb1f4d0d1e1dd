"""Amplitude's HTTP API V2 and batch API.

A 400 lists the refused events, and the SDKs drop those and send the rest again. The rest is kept
the first time; sent again, it is known by its insert_id.
"""

from __future__ import annotations

from collections import defaultdict
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
    require_list,
    sent_time,
    summary,
)
from tidemill.collector.bodies import load_object
from tidemill.connectors.amplitude import map_amplitude
from tidemill.http.messages import Reply

LARGEST_REQUEST = MB
LARGEST_BATCH = 20 * MB
MOST_EVENTS = 2_000


def read(call: Call) -> Parcel:
    return parcel_of(call, load_object(call.body))


def parcel_of(call: Call, body: dict[str, Any]) -> Parcel:
    """The parcel of a parsed body. Raises CallError."""
    for field in ("api_key", "events"):
        if body.get(field) is None:
            raise CallError(400, "Request missing required field", missing_field=field)
    events = body["events"]
    events = require_list(
        [events] if isinstance(events, dict) else events, "events", MOST_EVENTS, 413
    )
    sent_at = sent_time(body.get("client_upload_time"))
    return Parcel(
        keys_among(body["api_key"]),
        events,
        partial(map_amplitude, received_at=call.received_at, upload_time=sent_at),
        partial(_answer, total=len(events), size=len(call.body), received_at=call.received_at),
        sent_at,
    )


def refuse(error: CallError) -> Reply:
    status, message = error.status, error.message
    if status == 401:
        # The SDKs know a wrong key by these words.
        status, message = 400, "Invalid API key: no source has it"
    return json_reply({"code": status, "error": message, **error.fields}, status)


def _answer(faults: Sequence[Fault], total: int, size: int, received_at: int) -> Reply:
    if faults:
        return refuse(CallError(400, summary(faults, total), **_blame(faults)))
    return json_reply(
        {
            "code": 200,
            "events_ingested": total,
            "payload_size_bytes": size,
            "server_upload_time": received_at // 1000,
        }
    )


def _blame(faults: Sequence[Fault]) -> dict[str, object]:
    """Indexes of the refused events, by the field that is at fault."""
    missing: dict[str, list[int]] = defaultdict(list)
    invalid: dict[str, list[int]] = defaultdict(list)
    for fault in faults:
        event = fault.event if isinstance(fault.event, dict) else {}
        if event.get("event_type") is None:
            missing["event_type"].append(fault.position)
        elif event.get("user_id") is None and event.get("device_id") is None:
            missing["user_id"].append(fault.position)
        else:
            invalid["event_properties"].append(fault.position)
    return {"events_with_missing_fields": missing, "events_with_invalid_fields": invalid}


ROUTES = {"/2/httpapi": Api("amplitude", LARGEST_REQUEST, read, refuse)}
