"""What Prometheus hears from the operator about verdicts."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from tidemill.objective.status import MonitoringStatus
from tidemill.operator.metrics import OperatorMetrics

ACT = MonitoringStatus(at=datetime(2026, 3, 1, tzinfo=UTC), status="act")


def samples(metrics: OperatorMetrics, name: str) -> dict[tuple[str, ...], float]:
    """Label values to value."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        if family.name == name
        for sample in family.samples
    }


def test_the_newest_verdict_is_the_only_one_that_holds() -> None:
    """One for its status, zero for the others, so that an alert needs no absent()."""
    metrics = OperatorMetrics()
    metrics.set_verdict("orders", MonitoringStatus(status="watch"))
    metrics.set_verdict("orders", ACT)
    found = samples(metrics, "tidemill_objective_verdict")
    assert found["orders", "act"] == 1
    assert sum(found.values()) == 1
    looked = samples(metrics, "tidemill_objective_looked_at_timestamp_seconds")
    assert looked == {("orders",): datetime(2026, 3, 1, tzinfo=UTC).timestamp()}


def test_an_objective_that_is_gone_is_not_reported() -> None:
    """Neither is one that was never judged."""
    metrics = OperatorMetrics()
    metrics.set_verdict("orders", ACT)
    metrics.set_verdict("orders", None)
    metrics.set_verdict("visits", MonitoringStatus())
    assert samples(metrics, "tidemill_objective_verdict") == {}
