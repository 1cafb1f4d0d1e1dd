"""An objective may watch a metric instead of predicting anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tidemill.cli.main import build_app
from tidemill.cli.status import next_steps
from tidemill.errors import ObjectiveError
from tidemill.home import Home
from tidemill.objective import Objective, remember_objective
from tidemill.report.overview import look

EXAMPLES = Path(__file__).parents[2] / "examples"


def alert(**changes: Any) -> Objective:
    return Objective.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": "orders"},
            "spec": {"alert": {"event": "order", **changes}},
        }
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "number of order per day"),
        ({"every": "1h", "metric": "users"}, "users with order per hour"),
        ({"metric": "value", "where": {"item.kind": "toy"}}, "value of order with item.kind = toy"),
        ({"metric": "property.sum"}, "sum of property.sum of order per day"),
    ],
)
def test_an_alert_says_what_it_watches(changes: dict[str, Any], words: str) -> None:
    """In `objective list`, in errors and on the page."""
    assert words in alert(**changes).about


def test_an_alert_has_no_target() -> None:
    """The error says what it is and what to run."""
    with pytest.raises(ObjectiveError, match="is an alert") as refused:
        _ = alert().target
    assert refused.value.hint == "judge it with `tidemill monitor orders`"


def test_another_metric_is_another_alert() -> None:
    """What was judged of one says nothing about the other."""
    assert alert().hash != alert(metric="users").hash


def test_a_model_is_the_same_with_and_without_the_new_block() -> None:
    """Else every objective would be trained again after an update."""
    churn = Objective.model_validate(
        {
            **alert().model_dump(mode="json"),
            "spec": {"churn": {"event": "order", "within": "28d"}},
        }
    )
    assert churn.hash == "668498d063e8"


@pytest.mark.parametrize(
    "command",
    [("train",), ("models",), ("predict", "u1"), ("serve",), ("report",)],
    ids=lambda command: command[0],
)
def test_what_needs_a_model_is_refused(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same words everywhere."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path))
    remember_objective(Home(tmp_path), EXAMPLES / "purchases-alert.yaml")
    verb, *rest = command
    result = CliRunner().invoke(build_app(), [verb, "purchases-alert", *rest])
    assert isinstance(result.exception, ObjectiveError)
    assert "is an alert" in result.exception.message
    assert "tidemill monitor purchases-alert" in str(result.exception.hint)


def test_training_an_alert_file_leaves_the_home_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before it is remembered."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    file = EXAMPLES / "purchases-alert.yaml"
    result = CliRunner().invoke(build_app(), ["train", str(file)])
    assert isinstance(result.exception, ObjectiveError)
    assert not (tmp_path / "home" / "objectives").exists()


def test_status_asks_for_a_look_and_not_for_a_training(tmp_path: Path) -> None:
    """An alert that nobody judged yet."""
    home = Home(tmp_path)
    remember_objective(home, EXAMPLES / "purchases-alert.yaml")
    found = look(home)
    (each,) = found.objectives
    assert (each.type, each.live) == ("alert", None)
    (step,) = [s for s in next_steps(_with_events(found)) if "purchases-alert" in s]
    assert "tidemill monitor" in step


def _with_events(found: Any) -> Any:
    from dataclasses import replace

    return replace(found, events=1)
