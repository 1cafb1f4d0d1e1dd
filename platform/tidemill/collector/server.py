"""One process: the HTTP edge in front, the spool behind it, and the drain into the event log."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import uvloop

from tidemill.collector.app import CollectorApp
from tidemill.collector.drain import Drain, DrainReport
from tidemill.collector.limits import RateLimits, Rates
from tidemill.collector.metrics import CollectorMetrics
from tidemill.collector.sources import KeyRing, SourceError
from tidemill.collector.spool import Spool
from tidemill.errors import TidemillError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.http.edge import Edge, Limits
from tidemill.http.listening import finish, listen, stop_signal, sweep

logger = logging.getLogger("tidemill.collector")

_KEYS_SECONDS = 1.0
"""How often write keys are looked at for changes."""


@dataclass(frozen=True)
class Settings:
    """Where to listen and how much to take."""

    host: str = "127.0.0.1"
    port: int = 8070
    limits: Limits = field(default_factory=Limits)
    rates: Rates = field(default_factory=Rates)
    spool_bytes: int = 4 * 1024**3
    """What may wait for the event log; beyond that nothing is acknowledged."""
    drain_seconds: float = 1.0
    """How often events are moved into the event log."""


def run(home: Home, keys: KeyRing, settings: Settings) -> None:
    """Collect until SIGTERM or SIGINT; then everything acknowledged is in the event log.

    Raises TidemillError.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_collect(home, keys, settings))


async def _collect(home: Home, keys: KeyRing, settings: Settings) -> None:
    stop = stop_signal()
    metrics = CollectorMetrics()
    spool = _open_spool(home, settings)
    drain = Drain(
        home.collector / "spool",
        EventLog(home.events),
        settings.drain_seconds,
        lambda report: metrics.drained(_outcomes(report)),
    )
    app = CollectorApp(
        keys, RateLimits(settings.rates), spool, metrics, lambda: _gauges(spool, drain)
    )
    edge = Edge(app, app.observe, settings.limits)
    server = await listen(edge, settings.host, settings.port)
    logger.info("listening on http://%s:%d", settings.host, settings.port)
    drain.start()
    loop = asyncio.get_running_loop()
    chores = [loop.create_task(sweep(edge)), loop.create_task(_follow_keys(keys))]
    await stop.wait()
    logger.info("stopping: no longer ready")
    app.is_draining = True
    await finish(edge, server)
    for chore in chores:
        chore.cancel()
    await spool.close()
    await asyncio.to_thread(drain.stop, final=True)


def _open_spool(home: Home, settings: Settings) -> Spool:
    folder = home.collector / "spool"
    try:
        return Spool(folder, settings.spool_bytes)
    except OSError as error:
        raise TidemillError(
            f"{folder} cannot be written: {error.strerror}", hint="is TIDEMILL_HOME yours?"
        ) from error


async def _follow_keys(keys: KeyRing) -> None:
    while True:
        await asyncio.sleep(_KEYS_SECONDS)
        try:
            if await asyncio.to_thread(keys.refresh):
                logger.info("write keys were read again")
        except SourceError as error:
            logger.error("%s; the keys of before are still good", error.message)


def _outcomes(report: DrainReport) -> dict[str, int]:
    return {
        "accepted": report.accepted,
        "duplicate": report.duplicates,
        "rejected": sum(report.rejected.values()),
        **report.marked,
    }


def _gauges(spool: Spool, drain: Drain) -> dict[str, tuple[str, float]]:
    waiting = spool.waiting()
    return {
        "tidemill_collector_spool_bytes": ("Bytes not in the event log yet.", waiting.bytes),
        "tidemill_collector_spool_oldest_seconds": (
            "Age of the oldest events that are not in the event log yet.",
            waiting.oldest_seconds,
        ),
        "tidemill_collector_unacknowledged": (
            "Requests that wait for the disk.",
            waiting.deliveries,
        ),
        "tidemill_collector_drain_failing": (
            "1 while events cannot be moved into the event log.",
            float(drain.is_failing),
        ),
    }
