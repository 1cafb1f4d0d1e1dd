"""What the connections of one server share: the app, the limits, and what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING, Any

from tidemill.http.budget import Budget
from tidemill.http.messages import App, Observer, Reply

if TYPE_CHECKING:
    from tidemill.http.http1 import Connection

RETRY_AFTER = (("retry-after", "1"),)
"""What a caller is told who comes when there is no room."""
_WORKERS = 2


@dataclass(frozen=True)
class Limits:
    """How much one server takes."""

    body_bytes: int = 8 * 1024 * 1024
    """Largest request body; a larger one is refused unread."""
    held_bytes: int = 256 * 1024 * 1024
    """Request bodies in memory at once, over all connections."""
    connections: int = 1024
    """Open at once; one more is told to come back, and closed."""


class Edge:
    """The shared part of a server's connections."""

    def __init__(self, app: App, observe: Observer, limits: Limits) -> None:
        self.app = app
        self.observe = observe
        self.limits = limits
        self.bodies = Budget(limits.held_bytes)
        self.workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="large-request")
        self.connections: set[Connection] = set()
        self.closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._date = (0, "")

    @property
    def in_flight(self) -> int:
        """Requests begun and not yet answered; also of clients that have gone away."""
        receiving = sum(connection.receiving for connection in self.connections)
        return receiving + len(self._tasks)

    @property
    def is_full(self) -> bool:
        return len(self.connections) >= self.limits.connections

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, whatever becomes of the connection it is for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def busy(self, path: str, message: str) -> Reply:
        """A 503 that says when to come back."""
        reply = self.app.refuse(path, 503, message)
        return reply._replace(headers=reply.headers + RETRY_AFTER)

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
