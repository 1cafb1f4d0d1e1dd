"""One process, one event loop: REST, a gRPC server beside it, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import uvloop

from tidemill.http.edge import Edge, Limits
from tidemill.http.listening import FINISH_SECONDS, finish, listen, stop_signal, sweep
from tidemill_serving.app import App
from tidemill_serving.grpc_v2 import GrpcServer
from tidemill_serving.metrics import Metrics
from tidemill_serving.repository import Repository

logger = logging.getLogger("tidemill.serving")


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
    stop = stop_signal()
    metrics = Metrics()
    app = App(repository, metrics)
    edge = Edge(app, app.observe, Limits(body_bytes=settings.max_body))
    http = await listen(edge, settings.host, settings.port)
    logger.info("listening on http://%s:%d", settings.host, settings.port)
    grpc = _start_grpc(repository, metrics, settings)
    repository.watch()
    sweeper = asyncio.get_running_loop().create_task(sweep(edge))
    await stop.wait()
    await _drain(repository, edge, http, grpc)
    sweeper.cancel()
    repository.close()


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
    await finish(edge, http)
    if grpc is not None:
        await asyncio.to_thread(grpc.stop, FINISH_SECONDS)
