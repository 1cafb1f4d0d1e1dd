"""A training run starts for a cause, once for each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.objective import Objective
from tidemill.objective.schema import Spec, Training
from tidemill.objective.status import MonitoringStatus, TrainingStatus
from tidemill.operator.triggers import due_run

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OBJECTIVE = Objective.model_validate(
    {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "Objective",
        "metadata": {"name": "orders"},
        "spec": {
            "propensity": {"event": "order", "within": "7d"},
            "monitoring": {"retrain": {"cooldown": "24h"}},
        },
    }
)
TRAINED = TrainingStatus(spec=OBJECTIVE.hash, started=NOW - timedelta(days=3), result="promoted")


def owner(generation: int = 1, train: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "orders", "uid": "12345678-9", "generation": generation}
    if train:
        metadata["annotations"] = {"tidemill.dev/train": train}
    return {"metadata": metadata}


def other_spec() -> Spec:
    return OBJECTIVE.spec.model_copy(update={"training": Training(seed=7)})


def asking(at: datetime = NOW) -> MonitoringStatus:
    return MonitoringStatus(at=at, status="act", retrain=True, reason="AUC fell")


def test_a_new_objective_is_trained() -> None:
    """Once: its generation names the run."""
    trigger = due_run(owner(), OBJECTIVE, TrainingStatus(), MonitoringStatus(), NOW)
    assert trigger is not None
    assert trigger.name == f"orders-12345678-g1-{OBJECTIVE.hash[:6]}"
    assert trigger.reason == "first run"


def test_a_trained_objective_rests() -> None:
    """No cause, no run."""
    assert due_run(owner(), OBJECTIVE, TRAINED, MonitoringStatus(), NOW) is None


def test_a_change_of_what_is_predicted_trains_again() -> None:
    """A change of how it is served does not, because the hash stays."""
    old = TRAINED.model_copy(update={"spec": "other"})
    trigger = due_run(owner(generation=4), OBJECTIVE, old, MonitoringStatus(), NOW)
    assert trigger is not None
    assert trigger.name.startswith("orders-12345678-g4-")
    assert trigger.reason == "the objective changed"


def test_the_annotation_asks_once_for_each_value() -> None:
    """The same value again is the same request."""
    first = due_run(owner(train="a"), OBJECTIVE, TRAINED, MonitoringStatus(), NOW)
    assert first is not None
    answered = TRAINED.model_copy(update=first.updates)
    assert due_run(owner(train="a"), OBJECTIVE, answered, MonitoringStatus(), NOW) is None
    second = due_run(owner(train="b"), OBJECTIVE, answered, MonitoringStatus(), NOW)
    assert second is not None
    assert second.name != first.name


def test_the_monitor_gets_its_retraining_with_its_reason() -> None:
    """One per verdict."""
    trigger = due_run(owner(), OBJECTIVE, TRAINED, asking(), NOW)
    assert trigger is not None
    assert trigger.reason == "monitor: AUC fell"
    started = TRAINED.model_copy(update=trigger.updates)
    assert due_run(owner(), OBJECTIVE, started, asking(), NOW + timedelta(days=2)) is None


def test_another_reading_of_the_same_objective_is_another_run() -> None:
    """A new release may hash it differently, and must not find the old run's name."""
    found = [
        due_run(owner(), OBJECTIVE.model_copy(update={"spec": spec}), TRAINED, asking(), NOW)
        for spec in (OBJECTIVE.spec, other_spec())
    ]
    assert found[1] is not None
    assert found[1].name != f"orders-12345678-g1-{OBJECTIVE.hash[:6]}"


def test_a_verdict_on_the_model_before_asks_for_nothing() -> None:
    """It was reached before the newest run began."""
    newer = TRAINED.model_copy(update={"started": NOW + timedelta(hours=1)})
    assert due_run(owner(), OBJECTIVE, newer, asking(), NOW + timedelta(hours=2)) is None


def test_the_monitor_waits_for_the_cooldown() -> None:
    """However often it asks."""
    started = TRAINED.model_copy(update={"retrained": NOW})
    soon, later = NOW + timedelta(hours=23), NOW + timedelta(hours=24)
    assert due_run(owner(), OBJECTIVE, started, asking(soon), soon) is None
    assert due_run(owner(), OBJECTIVE, started, asking(later), later) is not None


def test_too_little_data_is_asked_again_a_day_later() -> None:
    """Data keeps coming, and the check is cheap."""
    refused = TRAINED.model_copy(update={"result": "not_ready", "started": NOW})
    assert (
        due_run(owner(), OBJECTIVE, refused, MonitoringStatus(), NOW + timedelta(hours=23)) is None
    )
    again = due_run(owner(), OBJECTIVE, refused, MonitoringStatus(), NOW + timedelta(hours=25))
    assert again is not None


def test_a_refusal_by_the_gate_is_not_asked_again() -> None:
    """It costs a training each time; the schedule decides."""
    refused = TRAINED.model_copy(update={"result": "refused"})
    assert due_run(owner(), OBJECTIVE, refused, MonitoringStatus(), NOW + timedelta(days=9)) is None
