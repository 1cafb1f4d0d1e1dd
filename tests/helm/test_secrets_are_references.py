"""No password is a value, and none is written into an object."""

import re

import pytest

EXAMPLES = ["default", "minimal", "production"]


def mlflow(chart):
    found = chart.one("Deployment", "mlflow", "production")
    return found["spec"]["template"]["spec"]["containers"][0]


def variables(container):
    return {found["name"]: found for found in container.get("env", [])}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_chart_makes_no_secret(chart, example):
    """They are yours, by whatever means you make them."""
    assert [found for found in chart.render(example) if found["kind"] == "Secret"] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_secret_comes_from_a_secret(chart, example):
    """A variable called like a secret has no plain value."""
    secret = re.compile("PASSWORD|SECRET|TOKEN|ACCESS_KEY")
    for name, pod in chart.pods(example):
        for container in pod["spec"]["containers"]:
            plain = [key for key, found in variables(container).items() if "value" in found]
            assert not [key for key in plain if secret.search(key)], name


def test_the_database_of_the_registry_is_named_by_its_secret(chart):
    """Not on the command line, where every process on the node could read it."""
    container = mlflow(chart)
    uri = variables(container)["MLFLOW_BACKEND_STORE_URI"]
    reference = {"secretKeyRef": {"name": "mlflow-database", "key": "uri"}}
    assert uri == {"name": "MLFLOW_BACKEND_STORE_URI", "valueFrom": reference}
    assert not [word for word in container["args"] if "store-uri" in word]


def test_the_bucket_of_the_registry_is_opened_by_its_secret(chart):
    """Its keys become variables; nothing is left to keep on a volume."""
    container = mlflow(chart)
    assert container["envFrom"] == [{"secretRef": {"name": "mlflow-bucket"}}]
    assert "--artifacts-destination=s3://models/tidemill" in container["args"]
    assert [mount["name"] for mount in container["volumeMounts"]] == ["tmp"]


def test_every_pod_of_ours_reads_the_credentials(chart):
    """Those that talk to the online store or the registry, the endpoints among them."""
    reading = {
        name.partition("/")[0]
        for name, pod in chart.pods("production")
        for container in pod["spec"]["containers"]
        if {"secretRef": {"name": "tidemill-credentials", "optional": True}}
        in container.get("envFrom", [])
    }
    assert {"Deployment", "CronJob", "ClusterServingRuntime"} <= reading


def test_the_online_stores_password_is_a_reference(chart):
    """Kubernetes puts it in place when the container starts."""
    options = ("--set", "redis.requirePassword=true", "--set", "credentials.existingSecret=mine")
    found = chart.one("StatefulSet", "redis", "default", *options)
    container = found["spec"]["template"]["spec"]["containers"][0]
    reference = variables(container)["TIDEMILL_ONLINE_STORE_PASSWORD"]["valueFrom"]
    assert reference == {"secretKeyRef": {"name": "mine", "key": "TIDEMILL_ONLINE_STORE_PASSWORD"}}
    assert container["args"][-2:] == ["--requirepass", "$(TIDEMILL_ONLINE_STORE_PASSWORD)"]
