"""The life of a server's socket: listen, sweep, let what is in flight finish."""

from __future__ import annotations

import asyncio
import gc
import signal
from time import monotonic

from tidemill.errors import TidemillError
from tidemill.http.edge import Edge
from tidemill.http.http1 import Connection

NOTICE_SECONDS = 1.0
"""How long requests are still taken after SIGTERM, for balancers to see the readiness change."""
FINISH_SECONDS = 30.0
"""How long requests in flight may take to finish after that."""
IDLE_SECONDS = 75.0
"""How long a connection may neither send nor be answered."""
_BACKLOG = 1024


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT. What is loaded by now is left out of later garbage collections."""
    gc.freeze()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def listen(edge: Edge, host: str, port: int) -> asyncio.Server:
    """Take connections from now on. Raises TidemillError when the address cannot be had."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(lambda: Connection(edge), host, port, backlog=_BACKLOG)
    except OSError as error:
        raise TidemillError(
            f"cannot listen on {host}:{port}: {error.strerror}", "choose another --host or --port"
        ) from error


async def sweep(edge: Edge) -> None:
    """Close connections that have fallen silent, for ever."""
    while True:
        await asyncio.sleep(IDLE_SECONDS / 5)
        edge.close_idle(IDLE_SECONDS)


async def finish(edge: Edge, server: asyncio.Server) -> None:
    """Stop listening after the notice, and wait for the requests in flight."""
    await asyncio.sleep(NOTICE_SECONDS)
    server.close()
    edge.closing = True
    deadline = monotonic() + FINISH_SECONDS
    while edge.in_flight and monotonic() < deadline:
        await asyncio.sleep(0.02)
    edge.close_idle(0.0)
