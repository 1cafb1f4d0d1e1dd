"""What an objective means, whatever file it came from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tidemill.objective import Objective
from tidemill.objective.schema import Target


def make_objective(**spec: Any) -> Objective:
    return Objective.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": "buys"},
            "spec": spec,
        }
    )


def propensity(**changes: Any) -> dict[str, Any]:
    return {"event": "order_completed", "within": "28d", **changes}


def test_propensity_targets_the_presence_of_an_event() -> None:
    """The positive is that the event happens within the horizon."""
    target = make_objective(propensity=propensity()).target
    assert target == Target("order_completed", {}, timedelta(days=28), absent=False)


def test_churn_targets_the_absence_of_an_event() -> None:
    """Without an event, the absence of any."""
    target = make_objective(churn={"within": "28d"}).target
    assert target == Target(None, {}, timedelta(days=28), absent=True)


def test_everything_but_the_target_has_a_default() -> None:
    """A user states what to predict and nothing else."""
    spec = make_objective(propensity=propensity()).spec
    assert spec.population.active_within == timedelta(days=90)
    assert (spec.training.cutoffs, spec.training.every, spec.training.seed) == (8, None, 0)
    assert spec.training.minimum_positives == 50
    assert spec.monitoring.retrain.cooldown == timedelta(hours=24)


@pytest.mark.parametrize("spec", [{}, {"propensity": propensity(), "churn": {"within": "1d"}}])
def test_exactly_one_type_is_given(spec: dict[str, Any]) -> None:
    """Neither none nor two."""
    with pytest.raises(ValidationError, match="exactly one of propensity, churn"):
        make_objective(**spec)


@pytest.mark.parametrize("key", ["category", "items.category", "item."])
def test_a_condition_says_whether_it_is_on_the_event_or_its_item(key: str) -> None:
    """`property.<name>` or `item.<name>`; nothing is guessed."""
    with pytest.raises(ValidationError, match=r"property\.<name>"):
        make_objective(propensity=propensity(where={key: "x"}))


@pytest.mark.parametrize("name", ["Buys", "-buys", "buys_now", "b" * 64, ""])
def test_a_name_fits_a_kubernetes_label(name: str) -> None:
    """DNS-1123: the name is used for the endpoint too."""
    data = make_objective(propensity=propensity()).model_dump()
    data["metadata"]["name"] = name
    with pytest.raises(ValidationError, match="name"):
        Objective.model_validate(data)


def test_an_objective_survives_its_own_json() -> None:
    """What is written is read back as the same objective."""
    objective = make_objective(churn={"within": "36h"}, training={"every": "4w"})
    assert Objective.model_validate_json(objective.model_dump_json()) == objective


@pytest.mark.parametrize(
    "changes",
    [
        {"propensity": propensity(within="14d")},
        {"propensity": propensity(where={"item.kind": "a"})},
        {"population": {"active_within": "56d"}},
        {"training": {"seed": 1}},
    ],
)
def test_the_hash_changes_with_what_the_model_learns(changes: dict[str, Any]) -> None:
    """Another target, population or training is another model."""
    base = make_objective(propensity=propensity())
    assert make_objective(**{"propensity": propensity(), **changes}).hash != base.hash


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"schedule": "0 3 * * 1"}},
        {"monitoring": {"schedule": "0 * * * *"}},
        {"serving": {"replicas": {"min": 2, "max": 3}}},
        {"propensity": propensity(within="4w")},
    ],
)
def test_the_hash_ignores_how_the_model_is_run(changes: dict[str, Any]) -> None:
    """Neither schedules nor replicas nor the spelling of a duration change the model."""
    base = make_objective(propensity=propensity())
    assert make_objective(**{"propensity": propensity(), **changes}).hash == base.hash


def test_every_field_explains_itself() -> None:
    """The docs and the CRD are generated from these descriptions."""
    schema = Objective.model_json_schema()
    blocks = [schema, *schema["$defs"].values()]
    fields = [field for block in blocks for field in block["properties"].values()]
    assert all(field.get("description") for field in fields)
