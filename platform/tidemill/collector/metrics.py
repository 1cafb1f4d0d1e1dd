"""What the collector has done so far, in the Prometheus text format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from threading import Lock

from tidemill.http.exposition import family, sample

_Samples = Mapping[tuple[str, ...], float]


class CollectorMetrics:
    """Counts since the process began. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, ...]] = Counter()
        self._seconds: dict[tuple[str, ...], float] = defaultdict(float)
        self._events: Counter[tuple[str, ...]] = Counter()
        self._drained: Counter[tuple[str, ...]] = Counter()

    def answered(self, api: str, status: int, seconds: float) -> None:
        """Count one request."""
        with self._lock:
            self._requests[api, str(status)] += 1
            self._seconds[api,] += seconds

    def kept(self, source: str, api: str, events: int, refused: int) -> None:
        """Count the events of one acknowledged request."""
        with self._lock:
            self._events[source, api, "kept"] += events
            self._events[source, api, "refused"] += refused

    def drained(self, counts: Mapping[str, int]) -> None:
        """Count events that have reached the event log, by what became of them."""
        with self._lock:
            for outcome, count in counts.items():
                self._drained[outcome,] += count

    def render(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The whole page. `gauges` are (help, value) of now, by name."""
        with self._lock:
            page = [
                _counters(
                    "tidemill_collector_requests_total",
                    "Requests answered, by API and status.",
                    ("api", "code"),
                    self._requests,
                ),
                _counters(
                    "tidemill_collector_request_seconds_total",
                    "Time from a request's head to its answer.",
                    ("api",),
                    self._seconds,
                ),
                _counters(
                    "tidemill_collector_events_total",
                    "Events of acknowledged requests.",
                    ("source", "api", "outcome"),
                    self._events,
                ),
                _counters(
                    "tidemill_collector_drained_total",
                    "Events moved into the event log.",
                    ("outcome",),
                    self._drained,
                ),
            ]
        page += [
            family(name, "gauge", text, [sample("", {}, value)])
            for name, (text, value) in gauges.items()
        ]
        return "".join(page)


def _counters(name: str, text: str, labels: Iterable[str], counts: _Samples) -> str:
    labels = tuple(labels)
    samples = [
        sample("", dict(zip(labels, values, strict=True)), count)
        for values, count in counts.items()
    ]
    return family(name, "counter", text, samples)
