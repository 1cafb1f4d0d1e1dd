"""How fast each source may send: token buckets, with the clock passed in."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

_BURST_SECONDS = 5.0
"""How much of its rate a source that was silent may send at once."""


@dataclass(frozen=True)
class Rates:
    """What one source may send on average, each second."""

    requests: float = 1_000.0
    events: float = 50_000.0


class TokenBucket:
    """Fills at `rate` tokens a second up to five seconds' worth.

    A request is let through while there is anything left, and may leave a debt: one that is larger
    than the bucket would otherwise never pass.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._level = rate * _BURST_SECONDS
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until something is left; 0.0 when something is."""
        filled = self._level + max(now - self._at, 0.0) * self._rate
        self._level, self._at = min(filled, self._rate * _BURST_SECONDS), now
        return max(-self._level / self._rate, 0.0)

    def take(self, amount: float) -> None:
        self._level -= amount


class RateLimits:
    """The buckets of all sources. Safe to use from any thread."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._lock = Lock()
        self._buckets: dict[str, tuple[TokenBucket, TokenBucket]] = {}

    def take(self, source: str, events: int, now: float) -> float:
        """Count a request of `events`; else, when it comes too soon, the seconds to wait."""
        with self._lock:
            requests_left, events_left = self._of(source, now)
            wait = max(requests_left.wait(now), events_left.wait(now))
            if wait <= 0.0:
                requests_left.take(1)
                events_left.take(events)
            return wait

    def _of(self, source: str, now: float) -> tuple[TokenBucket, TokenBucket]:
        if source not in self._buckets:
            rates = self._rates
            buckets = TokenBucket(rates.requests, now), TokenBucket(rates.events, now)
            self._buckets[source] = buckets
        return self._buckets[source]
