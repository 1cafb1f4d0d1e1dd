"""What an objective of lifetime value may say."""

import pytest
from pydantic import ValidationError

from tidemill.objective import Objective


def document(**block):
    value = {"event": "order", "within": "90d", **block}
    return {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "Objective",
        "metadata": {"name": "worth"},
        "spec": {"lifetime_value": value},
    }


def test_the_outcome_is_the_next_purchase():
    """Whatever asks for an objective's target finds it."""
    objective = Objective.model_validate(document(where={"property.kind": "web"}))
    assert objective.type == "lifetime_value"
    assert str(objective.target) == "order with property.kind = web within 90d"
    assert objective.spec.lifetime_value.value == "value"


def test_a_purchase_may_be_worth_a_property():
    """Another worth is another question."""
    plain, paid = (
        Objective.model_validate(document(**block)) for block in ({}, {"value": "property.paid"})
    )
    assert plain.hash != paid.hash


@pytest.mark.parametrize("value", ["paid", "item.price", "property.", ""])
def test_any_other_worth_is_refused(value, api_server_verdict):
    """By the validator and by the API server."""
    with pytest.raises(ValidationError, match="expected 'value' or 'property.<name>'"):
        Objective.model_validate(document(value=value))
    assert api_server_verdict(document(value=value))


def test_the_api_server_takes_what_the_validator_takes(api_server_verdict):
    """With every key."""
    whole = document(value="property.paid", where={"property.kind": "web"})
    Objective.model_validate(whole)
    assert api_server_verdict(whole) == []
