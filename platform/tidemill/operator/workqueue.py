"""Names waiting to be reconciled: each at most once, never two workers on one name."""

from __future__ import annotations

import threading
import time
from collections import deque

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 300.0
_MOST_DOUBLINGS = 10


class WorkQueue:
    """A queue of names for several workers.

    A name that is added while a worker has it is given out again when the worker is done, so no
    change is missed. Names that changed go before names that are only due for another look.
    """

    def __init__(self) -> None:
        self._urgent: deque[str] = deque()
        self._routine: deque[str] = deque()
        self._later: dict[str, float] = {}
        self._waiting: dict[str, deque[str]] = {}
        self._taken: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._changed = threading.Condition()
        self._closed = False

    def add(self, name: str, *, urgent: bool = True) -> None:
        """Ask for `name` to be reconciled."""
        with self._changed:
            self._add(name, urgent)

    def take(self) -> str | None:
        """The next name, when there is one; None when the queue was closed."""
        with self._changed:
            while not self._closed:
                self._wake()
                name = self._next()
                if name is not None:
                    self._taken.add(name)
                    return name
                self._changed.wait(self._seconds_to_next())
            return None

    def done(self, name: str, *, retry: bool = False) -> None:
        """The worker has finished; with `retry` the name comes back, later after each failure."""
        with self._changed:
            self._taken.discard(name)
            if retry:
                self._put_off(name)
            else:
                self._failures.pop(name, None)
            if name in self._again:
                self._again.discard(name)
                self._add(name, urgent=True)
            self._changed.notify()

    def _put_off(self, name: str) -> None:
        failures = self._failures[name] = min(self._failures.get(name, 0) + 1, _MOST_DOUBLINGS)
        seconds = min(_FIRST_RETRY_SECONDS * 2 ** (failures - 1), _LONGEST_RETRY_SECONDS)
        self._later[name] = time.monotonic() + seconds

    def close(self) -> None:
        """Let all workers go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting) + len(self._taken)

    def _add(self, name: str, urgent: bool) -> None:
        if name in self._taken:
            self._again.add(name)
            return
        if name in self._later and not urgent:
            return  # its time will come; a routine look must not skip the pause after a failure
        self._later.pop(name, None)
        line = self._urgent if urgent else self._routine
        stands = self._waiting.get(name)
        if stands is line or stands is self._urgent:
            return
        self._waiting[name] = line
        line.append(name)
        self._changed.notify()

    def _next(self) -> str | None:
        for line in (self._urgent, self._routine):
            while line:
                name = line.popleft()
                # A name that has become urgent still stands in the other line.
                if self._waiting.get(name) is line:
                    del self._waiting[name]
                    return name
        return None

    def _wake(self) -> None:
        now = time.monotonic()
        for name in [name for name, due in self._later.items() if due <= now]:
            del self._later[name]
            self._add(name, urgent=False)

    def _seconds_to_next(self) -> float | None:
        return max(0.0, min(self._later.values()) - time.monotonic()) if self._later else None
