"""What the operator does, for Prometheus."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tidemill.objective.status import MonitoringStatus, Phase

_STATUSES = ("ok", "watch", "act", "undecided")
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0)


class OperatorMetrics:
    """Safe to use from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._phases = _Phases()
        self._registry.register(self._phases)
        self._verdicts = _Verdicts()
        self._registry.register(self._verdicts)
        self._seconds = Histogram(
            "tidemill_reconcile_seconds",
            "Time from the start to the end of one reconciliation.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._errors = Counter(
            "tidemill_reconcile_errors",
            "Reconciliations to be repeated because something did not answer.",
            registry=self._registry,
        )
        self._leads = Gauge(
            "tidemill_leader", "1 while this replica leads.", registry=self._registry
        )

    def reconciled(self, seconds: float, *, failed: bool) -> None:
        """Count one reconciliation."""
        self._seconds.observe(seconds)
        if failed:
            self._errors.inc()

    def set_phase(self, name: str, phase: Phase | None) -> None:
        """The phase of an Objective; None when it is gone."""
        self._phases.set(name, phase)

    def set_verdict(self, name: str, verdict: MonitoringStatus | None) -> None:
        """The newest verdict about an Objective; None when it is gone or was never judged."""
        self._verdicts.set(name, verdict)

    def set_leader(self, leads: bool) -> None:
        """Whether this replica leads."""
        self._leads.set(leads)

    def render(self) -> bytes:
        """The page in the Prometheus text format."""
        return bytes(generate_latest(self._registry))


class _Phases(Collector):
    """How many Objectives are in each phase."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, Phase] = {}

    def set(self, name: str, phase: Phase | None) -> None:
        with self._lock:
            if phase is None:
                self._by_name.pop(name, None)
            else:
                self._by_name[name] = phase

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            tally = Tally(self._by_name.values())
        family = GaugeMetricFamily("tidemill_objectives", "Objectives by phase.", labels=["phase"])
        for phase in Phase:
            family.add_metric([phase.value], tally[phase])
        yield family


class _Verdicts(Collector):
    """What the newest monitor run said about each Objective, and when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, MonitoringStatus] = {}

    def set(self, name: str, verdict: MonitoringStatus | None) -> None:
        with self._lock:
            if verdict is None or not verdict.status:
                self._by_name.pop(name, None)
            else:
                self._by_name[name] = verdict

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            found = sorted(self._by_name.items())
        verdicts = GaugeMetricFamily(
            "tidemill_objective_verdict",
            "1 for the newest verdict of the monitor, 0 for the others.",
            labels=["objective", "status"],
        )
        looked = GaugeMetricFamily(
            "tidemill_objective_looked_at_timestamp_seconds",
            "The instant up to which the newest monitor run looked.",
            labels=["objective"],
        )
        for name, verdict in found:
            for status in _STATUSES:
                verdicts.add_metric([name, status], int(verdict.status == status))
            if verdict.at is not None:
                looked.add_metric([name], verdict.at.timestamp())
        yield verdicts
        yield looked
