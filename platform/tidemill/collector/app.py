"""From a request to a delivery that is on the disk, and only then to an answer."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic, time_ns
from typing import Protocol

from tidemill.collector.apis import amplitude, batch, mixpanel, posthog, segment, snowplow
from tidemill.collector.apis.api import Api, CallError, Fault, Parcel, call_of, json_reply
from tidemill.collector.bodies import BodyError
from tidemill.collector.cors import with_cors
from tidemill.collector.delivery import Delivery
from tidemill.collector.limits import RateLimits
from tidemill.collector.metrics import CollectorMetrics
from tidemill.collector.sources import KeyRing
from tidemill.collector.spool import SpoolFullError
from tidemill.events.mapped import MappedEvent, Refusal, RefusedError, refusal
from tidemill.http.exposition import CONTENT_TYPE
from tidemill.http.messages import Reply, Request

logger = logging.getLogger("tidemill.collector")

ROUTES: dict[str, Api] = {
    **segment.ROUTES,
    **mixpanel.ROUTES,
    **amplitude.ROUTES,
    **posthog.ROUTES,
    **snowplow.ROUTES,
    **batch.ROUTES,
}
"""By path; one that is not listed with a slash at its end may have one."""
_FULL_SECONDS = 5
"""When to come back while the spool takes nothing."""
_BROKEN = "the event cannot be read"


class Keeper(Protocol):
    """What makes a delivery durable."""

    def put(self, delivery: Delivery) -> Awaitable[None]:
        """Done when it is. Raises SpoolFullError or OSError, at once or when awaited."""
        ...


class CollectorApp:
    """Every route. Each fault becomes a reply in the words of the API that was called."""

    def __init__(
        self,
        keys: KeyRing,
        rates: RateLimits,
        spool: Keeper,
        metrics: CollectorMetrics,
        gauges: Callable[[], dict[str, tuple[str, float]]],
    ) -> None:
        """`gauges` tells (help, value) of now by name, for the metrics page."""
        self._keys = keys
        self._rates = rates
        self._spool = spool
        self._metrics = metrics
        self._gauges = gauges
        self.is_draining = False

    def answer(self, request: Request) -> Reply | Awaitable[Reply]:
        """As the server asks for it; in a worker thread when the request is large."""
        api = find_api(request.path)
        if api is None:
            return self._answer_probe(request)
        if request.method == "OPTIONS":
            return with_cors(json_reply({}), request, api)
        try:
            return self._collect(request, api)
        except (CallError, BodyError) as error:
            return with_cors(_refuse(api, error), request, api)
        except Exception:  # one request may fail, the collector may not; no internals leave it
            logger.exception("%s %s failed", request.method, request.path)
            return with_cors(api.refuse(CallError(500, "internal error")), request, api)

    def refuse(self, path: str, status: int, message: str) -> Reply:
        """For a request that was not read; in the words of its API, where that is known."""
        api = find_api(path)
        if api is None:
            return json_reply({"error": message}, status)
        reply = api.refuse(CallError(status, message))
        return reply._replace(headers=(*reply.headers, ("access-control-allow-origin", "*")))

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        api = find_api(path)
        self._metrics.answered("" if api is None else api.name, status, seconds)

    def _collect(self, request: Request, api: Api) -> Awaitable[Reply]:
        if request.method not in api.methods:
            raise CallError(405, f"{request.method} is not allowed; use {api.methods[0]}")
        received_at = time_ns() // 1_000
        parcel = api.read(call_of(request, api.largest_body, received_at))
        source = self._admit(parcel)
        events, faults = unpack(parcel)
        offset = None if parcel.sent_at is None else (parcel.sent_at - received_at) / 1e6
        refused = [_letter(fault, parcel.keys) for fault in faults]
        delivery = Delivery(source, received_at, events, refused, offset)
        return self._keep(delivery, parcel.answer(faults), request, api)

    def _admit(self, parcel: Parcel) -> str:
        """The source that sends it. Raises CallError when there is none, or it is too fast."""
        source = self._keys.source_of(parcel.keys)
        if source is None:
            what = "the write key is not known" if parcel.keys else "there is no write key"
            raise CallError(401, what)
        wait = self._rates.take(source, len(parcel.events), monotonic())
        if wait > 0.0:
            raise TooFastError(source, wait)
        return source

    async def _keep(self, delivery: Delivery, reply: Reply, request: Request, api: Api) -> Reply:
        try:
            if delivery.events or delivery.refused:
                await self._spool.put(delivery)
        except (SpoolFullError, OSError) as error:
            logger.error("nothing is acknowledged: %s", error)
            full = CallError(503, "events cannot be kept now; send them again")
            return with_cors(_later(api.refuse(full), _FULL_SECONDS), request, api)
        kept, refused = len(delivery.events), len(delivery.refused)
        self._metrics.kept(delivery.source, api.name, kept, refused)
        return with_cors(reply, request, api)

    def _answer_probe(self, request: Request) -> Reply:
        pages = {"/health": self._health, "/ready": self._ready, "/metrics": self._render}
        page = pages.get(request.path.rstrip("/"))
        if page is None:
            return json_reply({"error": f"nothing is at {request.path[:100]}"}, 404)
        if request.method not in ("GET", "HEAD"):
            reply = json_reply({"error": f"{request.method} is not allowed"}, 405)
            return reply._replace(headers=(("allow", "GET"),))
        return page()

    def _health(self) -> Reply:
        return json_reply({"status": "ok"})

    def _ready(self) -> Reply:
        return json_reply({"ready": not self.is_draining}, 503 if self.is_draining else 200)

    def _render(self) -> Reply:
        return Reply(200, self._metrics.render(self._gauges()).encode(), CONTENT_TYPE)


class TooFastError(CallError):
    """A source is over its rate."""

    def __init__(self, source: str, wait: float) -> None:
        super().__init__(429, f"source '{source}' sends more than it may; come back later")
        self.wait = wait


def find_api(path: str) -> Api | None:
    """Whose path it is."""
    return ROUTES.get(path) or ROUTES.get(path.rstrip("/"))


def unpack(parcel: Parcel) -> tuple[list[MappedEvent], list[Fault]]:
    """The events of a parcel that could be mapped, and those that could not."""
    events, faults = [], []
    for index, event in enumerate(parcel.events):
        try:
            events.append(parcel.map(event))
        except RefusedError as error:
            faults.append(Fault(index, str(error), event))
        except Exception:  # one event may be beyond us, its siblings are not; it is kept aside
            logger.exception("an event could not be mapped")
            faults.append(Fault(index, _BROKEN, event))
    return events, faults


def _letter(fault: Fault, keys: Iterable[str]) -> Refusal:
    """What is kept of a fault, less the write key: dead letters are for people to read."""
    letter = refusal(RefusedError(fault.reason), fault.event)
    raw = letter.raw
    for key in keys:
        raw = raw.replace(f'"{key}"', '"..."').replace(f"'{key}'", "'...'")
    return letter._replace(raw=raw)


def _refuse(api: Api, error: CallError | BodyError) -> Reply:
    if isinstance(error, BodyError):
        error = CallError(error.status, error.message)
    reply = api.refuse(error)
    if isinstance(error, TooFastError):
        return _later(reply, math.ceil(error.wait))
    if error.status == 405:
        return reply._replace(headers=(*reply.headers, ("allow", ", ".join(api.methods))))
    return reply


def _later(reply: Reply, seconds: int) -> Reply:
    return reply._replace(headers=(*reply.headers, ("retry-after", str(seconds))))
