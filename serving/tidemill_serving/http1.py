"""The HTTP/1.1 edge: bounded requests in, replies out, on one event loop and one thread.

A request is parsed by httptools (llhttp) and answered inside the same callback that received its
last byte. A server with a thread of its own for the network costs two to three thread switches a
request, which is more than the rest of a prediction together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http import HTTPStatus
from time import monotonic, perf_counter, time
from typing import cast

import httptools

from tidemill_serving.app import App, Reply, Request, error_reply
from tidemill_serving.metrics import Metrics

LARGE_BODY = 32 * 1024
"""Bytes above which a request leaves the event loop, so that probes are answered meanwhile."""
DRAIN_BYTES = 256 * 1024 * 1024
"""How much of a refused body is read and thrown away to keep its connection usable."""
HEAD_BYTES = 64 * 1024
"""Largest sum of a request's path and headers."""
IDLE_SECONDS = 75.0
"""How long a connection may neither send nor be answered."""
_WORKERS = 2
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}


class Edge:
    """What the connections of one server share."""

    def __init__(self, app: App, metrics: Metrics, max_body: int) -> None:
        self.app = app
        self.metrics = metrics
        self.max_body = max_body
        self.workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="large-request")
        self.connections: set[Connection] = set()
        self.closing = False
        self._date = (0, "")

    @property
    def in_flight(self) -> int:
        """Requests begun and not yet answered."""
        return sum(connection.busy for connection in self.connections)

    def date(self) -> str:
        """The Date header, made once a second."""
        now = int(time())
        if now != self._date[0]:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]

    def close_idle(self, seconds: float) -> None:
        """End connections that have been silent for `seconds`."""
        for connection in list(self.connections):
            connection.close_if_idle(seconds)


class Connection(asyncio.Protocol):
    """One client. Requests are answered in the order they arrived, one at a time."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request | Reply, bool, float]] = deque()
        self._answering = False
        self._receiving = False
        self._in_head = True
        self._ending = False
        self._active_at = monotonic()
        self._begin()

    def _begin(self) -> None:
        self._started = perf_counter()
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._read = 0
        self._refused: Reply | None = None

    @property
    def busy(self) -> bool:
        return self._answering or (self._receiving and not self._ending)

    def close_if_idle(self, seconds: float) -> None:
        if not self._answering and monotonic() - self._active_at >= seconds:
            self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._edge.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._edge.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._active_at = monotonic()
        try:
            self._parser.feed_data(data)
            if self._in_head:
                self._bound_head(len(data))
        except httptools.HttpParserUpgrade:
            # Nothing to upgrade to: the request was answered, the next one starts afresh.
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError as error:
            self._enqueue(error_reply(400, f"request: not HTTP/1.1: {error}"), keep=False)

    def pause_writing(self) -> None:
        """The client does not read its answers: stop taking its requests."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._begin()
        self._receiving = self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_head = False
        announced = int(self._headers.get("content-length", 0))
        if announced > self._edge.max_body:
            self._refused = self._too_large(announced)
        if "expect" in self._headers:
            self._answer_expectation()

    def on_body(self, body: bytes) -> None:
        self._read += len(body)
        if self._read <= self._edge.max_body and self._refused is None:
            self._body.append(body)
            return
        self._body.clear()
        if self._refused is None:
            self._refused = self._too_large(self._read)
        if self._read > DRAIN_BYTES:
            self._enqueue(self._refused, keep=False)

    def on_message_complete(self) -> None:
        self._receiving = False
        self._enqueue(self._refused or self._request(), keep=self._parser.should_keep_alive())

    # Replies.

    def _bound_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            self._enqueue(error_reply(431, f"headers: more than {HEAD_BYTES} bytes"), keep=False)

    def _answer_expectation(self) -> None:
        """A caller that asks before it sends is told at once."""
        if self._refused is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        else:
            self._enqueue(self._refused, keep=False)

    def _too_large(self, size: int) -> Reply:
        cap = self._edge.max_body
        return error_reply(
            413, f"body: {size} bytes; send at most {cap} bytes, in several requests"
        )

    def _request(self) -> Request:
        path = self._url.partition(b"?")[0].decode("latin-1")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Request(self._parser.get_method().decode(), path, self._headers, body)

    def _enqueue(self, request: Request | Reply, keep: bool) -> None:
        if self._answering:
            self._waiting.append((request, keep, self._started))
        else:
            self._answer(request, keep, self._started)

    def _answer(self, request: Request | Reply, keep: bool, started: float) -> None:
        if isinstance(request, Reply):
            self._send(request, "", "", keep, started)
        elif len(request.body) <= LARGE_BODY:
            reply = self._edge.app.answer(request)
            self._send(reply, request.method, request.path, keep, started)
        else:
            self._answering = True
            self._transport.pause_reading()
            self._task = self._loop.create_task(self._answer_elsewhere(request, keep, started))

    async def _answer_elsewhere(self, request: Request, keep: bool, started: float) -> None:
        edge = self._edge
        reply = await self._loop.run_in_executor(edge.workers, edge.app.answer, request)
        self._answering = False
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        self._send(reply, request.method, request.path, keep, started)
        while self._waiting and not self._answering:
            self._answer(*self._waiting.popleft())

    def _send(self, reply: Reply, method: str, path: str, keep: bool, started: float) -> None:
        if self._ending or self._transport.is_closing():
            return
        keep = keep and not self._edge.closing
        self._transport.write(self._encode(reply, method, keep))
        if not keep:
            # Closing now would reset the connection under a client that is still sending, and the
            # answer would be lost: say that nothing follows, and wait for the client to close.
            self._ending = True
            self._transport.write_eof()
        self._active_at = monotonic()
        model, protocol = self._edge.app.labels(path)
        self._edge.metrics.answered(model, protocol, str(reply.status), perf_counter() - started)

    def _encode(self, reply: Reply, method: str, keep: bool) -> bytes:
        more = "".join([f"{name}: {value}\r\n" for name, value in reply.headers])
        end = "\r\n" if keep else "connection: close\r\n\r\n"
        head = (
            f"{_STATUS[reply.status]}\r\ndate: {self._edge.date()}\r\n"
            f"content-type: {reply.content_type}\r\ncontent-length: {len(reply.body)}\r\n"
            f"{more}{end}"
        )
        body = b"" if method == "HEAD" else reply.body
        return head.encode("latin-1") + body
