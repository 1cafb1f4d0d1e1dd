"""The HTTP/1.1 wire: bounded requests in, replies out, on one event loop and one thread.

A request is parsed by httptools (llhttp) and answered inside the same callback that received its
last byte. A server with a thread of its own for the network costs two to three thread switches a
request, which is more than all the rest of a small one together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from http import HTTPStatus
from time import monotonic, perf_counter
from typing import NamedTuple, cast

import httptools

from tidemill.http.edge import Edge
from tidemill.http.messages import Reply, Request

logger = logging.getLogger("tidemill.http")

LARGE_BODY = 32 * 1024
"""Bytes above which a request leaves the event loop, so that probes are answered meanwhile."""
DRAIN_BYTES = 256 * 1024 * 1024
"""How much of a refused body is read and thrown away to keep its connection usable."""
HEAD_BYTES = 64 * 1024
"""Largest sum of a request's path and headers, and of what follows a body in chunks; what one read
brings over it is let pass."""
FAREWELL_SECONDS = 1.0
"""How long a connection that is one too many may take to read its answer."""
_GZIP_MAGIC = b"\x1f\x8b"
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}


class _Turn(NamedTuple):
    """A request read, or the answer to one that was refused before that."""

    request: Request | Reply
    path: str
    keep: bool
    started: float


class Connection(asyncio.Protocol):
    """One client. Requests are answered in the order they arrived, one at a time."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[_Turn] = deque()
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
        self._bare_bytes = 0
        self._body: list[bytes] = []
        self._held = 0
        self._read = 0
        self._refused: Reply | None = None

    @property
    def receiving(self) -> bool:
        """Whether a request has begun that is not yet read."""
        return self._receiving and not self._ending

    def close_if_idle(self, seconds: float) -> None:
        if not self._answering and monotonic() - self._active_at >= seconds:
            self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._edge.is_full:
            self._turn_away()
        else:
            self._edge.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._edge.connections.discard(self)
        self._ending = True
        self._forget_body()
        for turn in self._waiting:
            self._give_back(turn.request)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._active_at = monotonic()
        while data and not self._ending:
            data = self._feed(data)

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
        if self._in_head:  # those behind a body in chunks are of no use, and of any number
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._is_offered_upgrade:
            return
        announced = int(self._headers.get("content-length", 0))
        if announced > self._edge.limits.body_bytes:
            self._refused = self._too_large(announced)
        if "expect" in self._headers:
            self._answer_expectation()

    def on_body(self, body: bytes) -> None:
        size = len(body)
        self._read += size
        self._bare_bytes = 0
        if self._refused is None:
            self._refused = self._no_room(size)
        if self._refused is None:
            self._held += size
            self._body.append(body)
            return
        self._forget_body()
        if self._read > DRAIN_BYTES:
            self._enqueue(self._refused, keep=False)

    def on_message_complete(self) -> None:
        if self._is_offered_upgrade:
            return
        self._receiving = False
        self._enqueue(self._refused or self._request(), keep=self._parser.should_keep_alive())

    # Bytes on their way to the parser.

    def _feed(self, data: bytes) -> bytes:
        """Parse `data`; returns what has to be parsed after that."""
        read = self._read
        try:
            self._parser.feed_data(data)
            if self._receiving and self._read == read:
                self._bound_head(len(data))
        except httptools.HttpParserUpgrade as stopped:
            return self._decline_upgrade() + data[stopped.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse_and_end(400, f"request: not HTTP/1.1: {error}")
        return b""

    @property
    def _is_offered_upgrade(self) -> bool:
        """Whether the request offers another protocol, which leaves its body to that protocol."""
        return self._parser.should_upgrade() and self._parser.get_method() != b"CONNECT"

    def _decline_upgrade(self) -> bytes:
        """Begin with a new parser; returns the head to read again, without its offer."""
        parser, self._parser = self._parser, httptools.HttpRequestParser(self)
        if parser.get_method() == b"CONNECT":  # it was answered
            return b""
        path = self._url.decode("latin-1")
        lines = [f"{parser.get_method().decode()} {path} HTTP/{parser.get_http_version()}"]
        lines += [f"{name}: {value}" for name, value in self._headers.items() if name != "upgrade"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    # What is refused before it is read.

    @property
    def _path(self) -> str:
        return self._url.partition(b"?")[0].decode("latin-1")

    def _turn_away(self) -> None:
        """One connection too many: a word, and nothing it sends is read."""
        self._ending = True
        reply = self._edge.busy("", f"{self._edge.limits.connections} connections are open")
        self._transport.write(self._encode(reply, "", keep=False))
        self._transport.write_eof()
        self._loop.call_later(FAREWELL_SECONDS, self._transport.close)

    def _bound_head(self, size: int) -> None:
        self._bare_bytes += size
        if self._bare_bytes > HEAD_BYTES:
            self._refuse_and_end(431, f"headers: more than {HEAD_BYTES} bytes")

    def _refuse_and_end(self, status: int, message: str) -> None:
        self._forget_body()
        self._enqueue(self._edge.app.refuse(self._path, status, message), keep=False)

    def _answer_expectation(self) -> None:
        """A caller that asks before it sends is told at once."""
        if self._refused is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        else:
            self._enqueue(self._refused, keep=False)

    def _no_room(self, size: int) -> Reply | None:
        """Why the next `size` bytes of a body are not kept; None when they are."""
        if self._read > self._edge.limits.body_bytes:
            return self._too_large(self._read)
        if self._edge.bodies.take(size):
            return None
        return self._edge.busy(self._path, "too many requests at once; send it again")

    def _too_large(self, size: int) -> Reply:
        cap = self._edge.limits.body_bytes
        message = f"body: {size} bytes; send at most {cap} bytes, in several requests"
        return self._edge.app.refuse(self._path, 413, message)

    def _forget_body(self) -> None:
        self._body.clear()
        self._edge.bodies.give_back(self._held)
        self._held = 0

    def _give_back(self, request: Request | Reply) -> None:
        if isinstance(request, Request):
            self._edge.bodies.give_back(len(request.body))

    # Answers.

    def _request(self) -> Request:
        path, _, query = self._url.partition(b"?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body, self._held = [], 0
        method = self._parser.get_method().decode()
        return Request(method, path.decode("latin-1"), self._headers, body, query.decode("latin-1"))

    def _enqueue(self, request: Request | Reply, keep: bool) -> None:
        if self._ending:
            self._give_back(request)
            return
        path = request.path if isinstance(request, Request) else self._path
        turn = _Turn(request, path, keep, self._started)
        if self._answering:
            self._waiting.append(turn)
        else:
            self._answer(turn)

    def _answer(self, turn: _Turn) -> None:
        request = turn.request
        if isinstance(request, Reply):
            self._send(request, "", turn)
        elif _is_heavy(request):
            self._answer_later(turn)
        else:
            reply = self._edge.app.answer(request)
            if isinstance(reply, Reply):
                self._give_back(request)
                self._send(reply, request.method, turn)
            else:
                self._answer_later(turn, reply)

    def _answer_later(self, turn: _Turn, pending: Awaitable[Reply] | None = None) -> None:
        """The client waits, and so does what it sends next; other connections do not."""
        self._answering = True
        self._transport.pause_reading()
        self._edge.start(self._finish(turn, pending))

    async def _finish(self, turn: _Turn, pending: Awaitable[Reply] | None) -> None:
        request = cast(Request, turn.request)
        try:
            reply = await (pending or self._answer_elsewhere(request))
        except Exception:  # an app does not raise; if one does, its other connections go on
            logger.exception("%s %s failed", request.method, request.path)
            reply = self._edge.app.refuse(turn.path, 500, "internal error")
        finally:
            self._give_back(request)
        self._answering = False
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        self._send(reply, request.method, turn)
        while self._waiting and not self._answering:
            self._answer(self._waiting.popleft())

    async def _answer_elsewhere(self, request: Request) -> Reply:
        edge = self._edge
        reply = await self._loop.run_in_executor(edge.workers, edge.app.answer, request)
        return reply if isinstance(reply, Reply) else await reply

    def _send(self, reply: Reply, method: str, turn: _Turn) -> None:
        if self._ending or self._transport.is_closing():
            return
        keep = turn.keep and not self._edge.closing
        self._transport.write(self._encode(reply, method, keep))
        if not keep:
            # Closing now would reset the connection under a client that is still sending, and the
            # answer would be lost: say that nothing follows, and wait for the client to close.
            self._ending = True
            self._transport.write_eof()
        self._active_at = monotonic()
        self._edge.observe(turn.path, reply.status, perf_counter() - turn.started)

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


def _is_heavy(request: Request) -> bool:
    """Whether reading it may take milliseconds: it is large, or becomes so when inflated."""
    return (
        len(request.body) > LARGE_BODY
        or "content-encoding" in request.headers
        or request.body.startswith(_GZIP_MAGIC)
    )
