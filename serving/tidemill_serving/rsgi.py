"""The HTTP edge: reads a bounded body from granian, answers, counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from tidemill_serving.app import App, Reply, Request, error_reply
from tidemill_serving.errors import TooLargeError
from tidemill_serving.metrics import Metrics

LARGE_BODY = 32 * 1024
"""Bytes above which a request leaves the event loop, so that probes are answered meanwhile."""
DRAIN_BYTES = 256 * 1024 * 1024
"""How much of a refused body is read and thrown away to keep its connection usable."""
_WORKERS = 2


class Edge:
    """The RSGI application."""

    def __init__(self, app: App, metrics: Metrics, max_body: int) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body = max_body
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="large-request")
        self.in_flight = 0

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        started = perf_counter()
        self.in_flight += 1
        try:
            reply = await self._answer(scope, protocol)
            headers = [("content-type", reply.content_type), *reply.headers]
            protocol.response_bytes(reply.status, headers, reply.body)
        finally:
            self.in_flight -= 1
        model, name = self._app.labels(scope.path)
        self._metrics.answered(model, name, str(reply.status), perf_counter() - started)

    async def _answer(self, scope: Any, protocol: Any) -> Reply:
        headers = scope.headers
        try:
            body = await self._read_body(headers, protocol)
        except TooLargeError as error:
            return error_reply(error.status, str(error))
        request = Request(scope.method, scope.path, headers, body)
        if len(body) <= LARGE_BODY:
            return self._app.answer(request)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, self._app.answer, request)

    async def _read_body(self, headers: Any, protocol: Any) -> bytes:
        announced = headers.get("content-length")
        if announced is None:
            return await self._read_chunks(protocol) if "transfer-encoding" in headers else b""
        size = int(announced)
        if size <= self._max_body:
            return bytes(await protocol()) if size else b""
        # A caller that waits for permission has sent nothing yet: refuse at once.
        if "expect" not in headers:
            async for _, read in _chunks(protocol):
                if read > DRAIN_BYTES:
                    break
        raise self._too_large(size)

    async def _read_chunks(self, protocol: Any) -> bytes:
        """A body of unannounced length, kept up to the cap and thrown away beyond it."""
        body = bytearray()
        read = 0
        async for chunk, read in _chunks(protocol):
            if read <= self._max_body:
                body += chunk
            elif body:
                body = bytearray()
            elif read > DRAIN_BYTES:
                break
        if read > self._max_body:
            raise self._too_large(read)
        return bytes(body)

    def _too_large(self, size: int) -> TooLargeError:
        return TooLargeError(
            f"body: {size} bytes", f"send at most {self._max_body} bytes, in several requests"
        )


async def _chunks(protocol: Any) -> AsyncIterator[tuple[bytes, int]]:
    """Pieces of the body, each with the number of bytes read so far."""
    read = 0
    async for chunk in protocol:
        read += len(chunk)
        yield chunk, read
