"""What an objective's experiment means."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tidemill.objective import Objective
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill.objective.percent import format_percent, parse_percent


def objective(experiment: dict[str, Any] | None, **target: Any) -> Objective:
    spec = target or {"propensity": {"event": "order", "where": {"item.a": "b"}, "within": "4w"}}
    return Objective.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": "buys"},
            "spec": {**spec, "experiment": experiment},
        }
    )


def declared(found: Objective) -> DeclaredExperiment:
    assert found.spec.experiment is not None
    return found.spec.experiment


@pytest.mark.parametrize(
    ("text", "share", "canonical"),
    [("5%", "0.05", "5%"), ("0.50%", "0.005", "0.5%"), ("100%", "1", "100%"), ("0%", "0", "0%")],
)
def test_percentages_are_exact(text: str, share: str, canonical: str) -> None:
    """Decimals, because ten times 10% must be everybody."""
    assert parse_percent(text) == Decimal(share)
    assert format_percent(parse_percent(text)) == canonical


def test_an_experiment_survives_its_own_json() -> None:
    """Percentages come back as percentages."""
    found = objective({"holdout": "5%", "layer": {"name": "a", "start": "0.5%", "share": "50%"}})
    assert Objective.model_validate_json(found.model_dump_json()) == found
    assert '"holdout":"5%"' in found.model_dump_json()


def test_the_own_outcome_is_measured_unless_declared() -> None:
    """The target's event and conditions, within the horizon, whether it is wanted or feared."""
    found = objective({"holdout": "5%"})
    (metric,) = declared(found).measured(found.target)
    assert (metric.name, metric.event, metric.kind) == ("outcome", "order", "conversion")
    assert (metric.where, metric.within) == ({"item.a": "b"}, timedelta(days=28))
    lapse = objective({"holdout": "5%"}, churn={"within": "30d"})
    (metric,) = declared(lapse).measured(lapse.target)
    assert (metric.event, metric.better) == (None, "higher")


def test_a_metric_without_a_window_has_the_horizon() -> None:
    """One with a window keeps it."""
    metrics = [{"name": "a", "event": "x"}, {"name": "b", "event": "y", "within": "3d"}]
    found = objective({"holdout": "5%", "metrics": metrics})
    windows = [each.within for each in declared(found).measured(found.target)]
    assert windows == [timedelta(days=28), timedelta(days=3)]


def test_to_be_measured_changes_no_model() -> None:
    """A model stays comparable with the one before when an experiment is declared."""
    assert objective({"holdout": "5%"}).hash == objective(None).hash
