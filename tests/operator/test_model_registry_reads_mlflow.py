"""The operator's view of MLflow, against a real MLflow server."""

import json

import pytest

from tidemill.operator.model_registry import ModelRegistry, ModelRegistryError
from tidemill.outcome import TrainingOutcome


@pytest.fixture(scope="module")
def client(mlflow_server):
    from mlflow import MlflowClient

    return MlflowClient(mlflow_server, registry_uri=mlflow_server)


@pytest.fixture(scope="module")
def orders(client):
    """An objective with two versions, of which the first was promoted."""
    experiment = client.create_experiment("orders")
    client.create_registered_model("orders")
    for auc in (0.71, 0.74):
        run = client.create_run(experiment).info.run_id
        client.log_metric(run, "auc", auc)
        tags = {"tidemill.gate": f"gate {auc}", "tidemill.promoted": f"promoted {auc}"}
        client.create_model_version("orders", f"s3://models/{auc}", run, tags=tags)
    client.set_registered_model_alias("orders", "champion", "1")
    return experiment


def test_the_champion_comes_with_its_auc_and_reasons(mlflow_server, orders):
    """Alias, version, run: three tables of MLflow in one answer."""
    found = ModelRegistry(mlflow_server).champion("orders")
    assert (found.version, found.quality) == ("1", "AUC 0.710")
    assert (found.gate, found.promoted) == ("gate 0.71", "promoted 0.71")


def test_a_model_that_chooses_comes_with_its_ndcg(mlflow_server, client):
    """A list of items has no AUC."""
    run = client.create_run(client.create_experiment("next")).info.run_id
    client.log_metric(run, "ndcg", 0.5081)
    client.create_registered_model("next")
    client.create_model_version("next", "s3://models/next", run)
    client.set_registered_model_alias("next", "champion", "1")
    assert ModelRegistry(mlflow_server).champion("next").quality == "NDCG 0.508"


def test_another_champion_is_seen_at_once(mlflow_server, client, orders):
    """What is remembered belongs to a version."""
    registry = ModelRegistry(mlflow_server)
    assert registry.champion("orders").quality == "AUC 0.710"
    client.set_registered_model_alias("orders", "champion", "2")
    assert registry.champion("orders").quality == "AUC 0.740"
    client.set_registered_model_alias("orders", "champion", "1")
    assert registry.champion("orders").quality == "AUC 0.710"


def test_a_champion_that_stays_costs_one_call(mlflow_server, orders):
    """A thousand objectives are asked for every minute."""
    registry = ModelRegistry(mlflow_server)
    asked = []
    request = registry._http.request
    registry._http.request = lambda *args, **given: asked.append(args[1]) or request(*args, **given)
    for _ in range(3):
        registry.champion("orders")
    assert [url.rsplit("/", 2)[1] for url in asked] == [
        "registered-models",
        "model-versions",
        "runs",
        "registered-models",
        "registered-models",
    ]


def test_before_the_first_promotion_there_is_no_champion(mlflow_server, client):
    """Neither the objective nor its alias is known."""
    client.create_registered_model("visits")
    registry = ModelRegistry(mlflow_server)
    assert registry.champion("visits") is None
    assert registry.champion("unheard-of") is None


def test_the_outcome_is_read_as_it_was_written(mlflow_server, client, orders):
    """The tag of the experiment, whole."""
    registry = ModelRegistry(mlflow_server)
    assert registry.outcome("orders") is None
    assert registry.outcome("unheard-of") is None
    at = "2024-06-01T00:00:00+00:00"
    facts = {"at": at, "outcome": "refused", "reason": "not better", "version": "2"}
    client.set_experiment_tag(orders, "tidemill.outcome", json.dumps(facts))
    found = registry.outcome("orders")
    assert found == TrainingOutcome.from_json(json.dumps(facts))
    assert (found.outcome, found.reason, found.version) == ("refused", "not better", "2")


def test_an_outcome_that_cannot_be_read_is_none_and_logged(mlflow_server, client, caplog):
    """Somebody else's tag must not stop the operator."""
    client.set_experiment_tag(client.create_experiment("clicks"), "tidemill.outcome", "[]")
    assert ModelRegistry(mlflow_server).outcome("clicks") is None
    assert "clicks: tag tidemill.outcome is not readable" in caplog.text


def test_an_mlflow_that_is_gone_is_an_error_with_its_url():
    """And with the setting to check."""
    with pytest.raises(ModelRegistryError, match="http://127.0.0.1:1 was not reached") as caught:
        ModelRegistry("http://127.0.0.1:1").champion("orders")
    assert "`mlflow` setting" in caught.value.hint


def test_a_server_that_is_not_mlflow_is_an_error(kubeflow_stub):
    """It answers 404 too, but not in MLflow's words."""
    with pytest.raises(ModelRegistryError, match="answered 404 to registered-models/get"):
        ModelRegistry(kubeflow_stub.url).champion("orders")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"USERNAME": "tide", "PASSWORD": "mill"}, "Basic dGlkZTptaWxs"),
        ({"TOKEN": "abc"}, "Bearer abc"),
        ({}, None),
    ],
)
def test_credentials_are_those_of_mlflows_own_client(given, sent, monkeypatch):
    """Two ways, user and password first, and none."""
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    assert ModelRegistry("http://x")._http.headers.get("authorization") == sent
