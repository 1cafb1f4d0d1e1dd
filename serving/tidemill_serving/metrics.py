"""Counters in the Prometheus text format. Labels hold only names the server knows."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from threading import Lock

from tidemill.http.exposition import family, sample

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram, seconds."""

_HELP = {
    "tidemill_requests_total": ("counter", "Requests answered, by outcome."),
    "tidemill_request_seconds": ("histogram", "Time from the request's head to its answer."),
    "tidemill_predictions_total": ("counter", "Users scored."),
    "tidemill_prediction_log_failures_total": ("counter", "Predictions refused: log not writable."),
    "tidemill_model_info": ("gauge", "Models being served."),
}


class Metrics:
    """What one server process has done so far. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: dict[tuple[str, str, str], int] = defaultdict(int)
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(
            lambda: [0.0] * (len(BUCKETS) + 2)
        )
        self._predictions: dict[tuple[str, bool], int] = defaultdict(int)
        self._log_failures: dict[str, int] = defaultdict(int)

    def answered(self, model: str, protocol: str, code: str, seconds: float) -> None:
        """Count one request; `model` is empty when it named none that is served."""
        with self._lock:
            self._requests[model, protocol, code] += 1
            if model:
                histogram = self._seconds[model, protocol]
                histogram[bisect_left(BUCKETS, seconds)] += 1
                histogram[-1] += seconds

    def predicted(self, model: str, users: int, cold: int) -> None:
        """Count the rows of one answer."""
        with self._lock:
            self._predictions[model, False] += users - cold
            self._predictions[model, True] += cold

    def log_failed(self, model: str) -> None:
        """Count one prediction that could not be logged and was therefore refused."""
        with self._lock:
            self._log_failures[model] += 1

    def render(self, models: Iterable[tuple[str, str]]) -> str:
        """The whole page; `models` are the (name, version) pairs being served."""
        with self._lock:
            samples = {
                "tidemill_requests_total": [
                    sample("", {"model": model, "protocol": protocol, "code": code}, count)
                    for (model, protocol, code), count in self._requests.items()
                ],
                "tidemill_request_seconds": list(self._histograms()),
                "tidemill_predictions_total": [
                    sample("", {"model": model, "cold_start": str(cold).lower()}, count)
                    for (model, cold), count in self._predictions.items()
                ],
                "tidemill_prediction_log_failures_total": [
                    sample("", {"model": model}, count)
                    for model, count in self._log_failures.items()
                ],
                "tidemill_model_info": [
                    sample("", {"model": name, "version": version}, 1) for name, version in models
                ],
            }
        return "".join(family(name, *_HELP[name], lines) for name, lines in samples.items())

    def _histograms(self) -> Iterator[str]:
        for (model, protocol), histogram in self._seconds.items():
            labels = {"model": model, "protocol": protocol}
            total = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), histogram, strict=False):
                total += int(count)
                yield sample("_bucket", {**labels, "le": bound}, total)
            yield sample("_sum", labels, histogram[-1])
            yield sample("_count", labels, total)
