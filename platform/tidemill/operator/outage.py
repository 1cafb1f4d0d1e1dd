"""Remembers that a server was away, so that a thousand Objectives do not each wait for it."""

from __future__ import annotations

import time

from tidemill.errors import TidemillError

REST_SECONDS = 10.0


class Outage:
    """One server's. Safe to share between threads."""

    def __init__(self, rest_seconds: float = REST_SECONDS) -> None:
        self._rest_seconds = rest_seconds
        self._until = 0.0
        self._error: TidemillError | None = None

    def check(self) -> None:
        """Raise the error again while the server is left in peace."""
        error = self._error
        if error is not None and time.monotonic() < self._until:
            raise error

    def note(self, error: TidemillError) -> None:
        """The server did not answer."""
        self._error = error
        self._until = time.monotonic() + self._rest_seconds
