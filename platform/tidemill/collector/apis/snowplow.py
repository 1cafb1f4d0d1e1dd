"""Snowplow's tracker protocol: POST of many events, GET of one.

The trackers' application id is the write key. Snowplow's own collector takes whatever it can read,
and events are put aside later; so here. What is answered with 413 the trackers send again for ever,
so that a request that is too large is answered with 400, which they give up on.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from typing import Any

from tidemill.collector.apis.api import (
    MB,
    TEXT,
    Api,
    Call,
    CallError,
    Fault,
    Parcel,
    keys_among,
    require_list,
    sent_time,
)
from tidemill.collector.bodies import load_object
from tidemill.connectors.fields import NOT_AN_OBJECT
from tidemill.connectors.snowplow import map_snowplow
from tidemill.events.mapped import MappedEvent, RefusedError
from tidemill.http.messages import Reply

LARGEST_REQUEST = MB
MOST_EVENTS = 2_500
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def read(call: Call) -> Parcel:
    """The payloads of a body, or the one in the query."""
    if call.body:
        events = load_object(call.body).get("data")
        payloads = require_list(events, "data", MOST_EVENTS, 413)
        answer = partial(_answer, Reply(200, b"ok", TEXT))
    else:
        payloads = [dict(call.fields)]
        answer = partial(_answer, Reply(200, _PIXEL, "image/gif"))
    objects = [payload for payload in payloads if isinstance(payload, dict)]
    sent = (sent_time(payload.get("stm")) for payload in objects)
    return Parcel(
        keys_among(*(payload.get("aid") for payload in objects)),
        payloads,
        partial(_map, received_at=call.received_at),
        answer,
        next((time for time in sent if time is not None), None),
    )


def refuse(error: CallError) -> Reply:
    status = 400 if error.status == 413 else error.status
    return Reply(status, error.message.encode(), TEXT)


def _map(payload: Any, received_at: int) -> MappedEvent:
    if not isinstance(payload, dict):
        raise RefusedError(NOT_AN_OBJECT)
    # The write key is nothing that an event should tell.
    own = {name: value for name, value in payload.items() if name != "aid"}
    return map_snowplow(own, received_at)


def _answer(reply: Reply, _: Sequence[Fault]) -> Reply:
    return reply


_API = Api(
    "snowplow", LARGEST_REQUEST, read, refuse, methods=("POST", "GET"), allows_credentials=True
)
ROUTES = dict.fromkeys(("/com.snowplowanalytics.snowplow/tp2", "/i"), _API)
