"""Mixpanel's /track, /engage, /groups and /import.

/import answers 400 with `failed_records` while the good events are kept. /track and its like answer
1 or 0; a request counts as good while any of it was kept, because the Python SDK's buffer sends a
batch that was answered with 0 again for ever, and nothing after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from tidemill.collector.apis.api import (
    MB,
    OVERSIZE,
    TEXT,
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
    summary,
)
from tidemill.collector.bodies import (
    UNREADABLE,
    form_fields,
    load_json,
    load_lines,
    plain_or_base64,
)
from tidemill.connectors.mixpanel import map_engage, map_mixpanel
from tidemill.events.mapped import MappedEvent, RefusedError, parse_time_us
from tidemill.http.messages import Reply

LARGEST_REQUEST = 10 * MB
LARGEST_EVENT = MB
MOST_EVENTS = 2_000
MOST_PROPERTIES = 255
EARLIEST_US = 31_536_000_000_000
"""1971, microseconds since 1970."""
FARTHEST_AHEAD_US = 3_600_000_000

_Map = Callable[[Any, int], MappedEvent]
_Answer = Callable[[Mapping[str, str], int, Sequence[Fault]], Reply]
_BAD_TIME = "properties.time is before 1971 or more than an hour ahead"
_BAD_JSON = "not JSON"


def _read(call: Call, map_one: _Map, answer: _Answer) -> Parcel:
    fields = _fields(call)
    events = _events(call, fields)
    keys = keys_among(*(_token(event) for event in events))
    if not keys:
        keys = keys_among(basic_user(call.headers), fields.get("api_key"), fields.get("token"))
    return Parcel(
        keys,
        events,
        partial(_checked, map_one, call.received_at),
        partial(answer, fields, len(events)),
    )


def _fields(call: Call) -> dict[str, str]:
    """Those of the query and of a form, which beacons send as plain text."""
    if call.is_form or call.body.startswith(b"data="):
        return {**call.fields, **form_fields(call.body.decode("latin-1"))}
    return dict(call.fields)


def _events(call: Call, fields: Mapping[str, str]) -> list[Any]:
    """The one event or the list of events. Raises CallError or BodyError."""
    text = plain_or_base64(fields["data"]) if "data" in fields else call.body
    if "ndjson" in call.headers.get("content-type", ""):
        return load_lines(text, MOST_EVENTS)
    events = load_json(text)
    return require_list([events] if isinstance(events, dict) else events, "data", MOST_EVENTS, 413)


def _token(event: Any) -> Any:
    if not isinstance(event, dict):
        return None
    properties = event.get("properties")
    own = properties.get("token") if isinstance(properties, dict) else None
    return own or event.get("$token")


def _checked(map_one: _Map, received_at: int, event: Any) -> MappedEvent:
    if event is UNREADABLE:
        raise RefusedError(_BAD_JSON)
    if json_size(event) > LARGEST_EVENT:
        raise RefusedError(OVERSIZE)
    properties = event.get("properties") if isinstance(event, dict) else None
    if isinstance(properties, dict) and len(properties) > MOST_PROPERTIES:
        raise RefusedError(f"{len(properties)} properties; at most {MOST_PROPERTIES} are allowed")
    return map_one(event, received_at)


def _map_import(event: Any, received_at: int) -> MappedEvent:
    mapped = map_mixpanel(event, received_at)
    latest = received_at + FARTHEST_AHEAD_US
    sent = parse_time_us(event["properties"].get("time"))
    if sent is None or not EARLIEST_US <= sent <= latest:
        raise RefusedError(_BAD_TIME)
    return mapped


def _answer(fields: Mapping[str, str], total: int, faults: Sequence[Fault]) -> Reply:
    status = int(len(faults) < total or not total)
    error = summary(faults, total) if faults else None
    if fields.get("verbose") == "1":
        return json_reply({"status": status, "error": error})
    return Reply(200, str(status).encode(), TEXT)


def _answer_groups(fields: Mapping[str, str], total: int, _: Sequence[Fault]) -> Reply:
    """Groups are not users: their profiles are put aside, which is no fault of the sender's."""
    return _answer(fields, total, ())


def _answer_import(fields: Mapping[str, str], total: int, faults: Sequence[Fault]) -> Reply:
    if fields.get("verbose") == "1":  # what only older SDKs ask for, and they expect the old form
        return _answer(fields, total, faults)
    kept = total - len(faults)
    if not faults or fields.get("strict") == "0":
        return json_reply({"code": 200, "num_records_imported": kept, "status": "OK"})
    return json_reply(
        {
            "code": 400,
            "error": "some data points in the request failed validation",
            "status": "Bad Request",
            "num_records_imported": kept,
            "failed_records": [_failed(fault) for fault in faults],
        },
        400,
    )


def _failed(fault: Fault) -> dict[str, object]:
    event = fault.event if isinstance(fault.event, dict) else {}
    properties = event.get("properties")
    insert_id = properties.get("$insert_id") if isinstance(properties, dict) else None
    field = "properties.time" if fault.reason == _BAD_TIME else ""
    return {
        "index": fault.position,
        "insert_id": _echo(insert_id) if isinstance(insert_id, str) else "",
        "field": field,
        "message": fault.reason,
    }


def _echo(text: str) -> str:
    """What an answer can hold of it: half a character cannot be written."""
    return text.encode(errors="replace").decode()


def _refuse(error: CallError) -> Reply:
    return json_reply({"status": 0, "error": error.message}, error.status)


def _refuse_import(error: CallError) -> Reply:
    status = HTTPStatus(error.status)
    return json_reply({"code": status, "error": error.message, "status": status.phrase}, status)


def _api(map_one: _Map, answer: _Answer) -> Api:
    read = partial(_read, map_one=map_one, answer=answer)
    return Api("mixpanel", LARGEST_REQUEST, read, _refuse, ("POST", "GET"))


ROUTES = {
    "/track": _api(map_mixpanel, _answer),
    "/engage": _api(map_engage, _answer),
    "/groups": _api(map_engage, _answer_groups),
    "/import": Api(
        "mixpanel",
        LARGEST_REQUEST,
        partial(_read, map_one=_map_import, answer=_answer_import),
        _refuse_import,
    ),
}
