"""One process, one event loop: REST, a gRPC server beside it, and an orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from dataclasses import dataclass
from time import monotonic

import uvloop

from tidemill.errors import TidemillError
from tidemill_serving.app import App
from tidemill_serving.grpc_v2 import GrpcServer
from tidemill_serving.http1 import IDLE_SECONDS, Connection, Edge
from tidemill_serving.metrics import Metrics
from tidemill_serving.repository import Repository

logger = logging.getLogger("tidemill.serving")

NOTICE_SECONDS = 1.0
"""How long requests are still taken after SIGTERM, for balancers to see the readiness change."""
FINISH_SECONDS = 30.0
"""How long requests in flight may take to finish after that."""


@dataclass(frozen=True)
class Settings:
    """Where to listen and how much to accept."""

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int = 8081
    """0 turns gRPC off."""
    max_body: int = 8 * 1024 * 1024
    """Bytes; a larger request is refused unread."""


def run(repository: Repository, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. The repository is loaded. Raises TidemillError."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(repository, settings))


async def _serve(repository: Repository, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    # What is loaded by now stays: collections need not walk it again and again.
    gc.freeze()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    edge = Edge(App(repository, metrics), metrics, settings.max_body)
    http = await _listen(edge, settings)
    grpc = _start_grpc(repository, metrics, settings)
    repository.watch()
    sweeper = loop.create_task(_sweep(edge))
    await stop.wait()
    await _drain(repository, edge, http, grpc)
    sweeper.cancel()
    repository.close()


async def _listen(edge: Edge, settings: Settings) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            lambda: Connection(edge), settings.host, settings.port, backlog=1024
        )
    except OSError as error:
        raise TidemillError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}",
            "choose another --port",
        ) from error
    logger.info("listening on http://%s:%d", settings.host, settings.port)
    return server


async def _sweep(edge: Edge) -> None:
    while True:
        await asyncio.sleep(IDLE_SECONDS / 5)
        edge.close_idle(IDLE_SECONDS)


def _start_grpc(repository: Repository, metrics: Metrics, settings: Settings) -> GrpcServer | None:
    if not settings.grpc_port:
        return None
    address = f"{settings.host}:{settings.grpc_port}"
    server = GrpcServer(repository, metrics, address, settings.max_body)
    server.start()
    logger.info("listening on grpc://%s", address)
    return server


async def _drain(
    repository: Repository, edge: Edge, http: asyncio.Server, grpc: GrpcServer | None
) -> None:
    """Say not ready, give balancers time to see it, then let requests in flight finish."""
    logger.info("stopping: no longer ready")
    repository.draining = True
    if grpc is not None:
        grpc.drain()
    await asyncio.sleep(NOTICE_SECONDS)
    http.close()
    edge.closing = True
    deadline = monotonic() + FINISH_SECONDS
    while edge.in_flight and monotonic() < deadline:
        await asyncio.sleep(0.02)
    edge.close_idle(0.0)
    if grpc is not None:
        await asyncio.to_thread(grpc.stop, FINISH_SECONDS)
