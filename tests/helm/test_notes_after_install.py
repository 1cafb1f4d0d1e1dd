"""What a person reads after `helm install`."""

import pytest

ALL = ("serving.kserve.io/v1alpha1/ClusterServingRuntime", "argoproj.io/v1alpha1")


def notes(chart, major, *options):
    place = ("install", "demo", str(chart.folder), "--namespace", "ml", "--dry-run=client")
    found = chart.run(major, *place, *options)
    assert found.returncode == 0, found.stderr
    return found.stdout.partition("NOTES:")[2]


@pytest.mark.parametrize("major", [3, 4])
def test_what_is_missing_is_said(chart, major):
    """On a cluster with nothing: how to get on."""
    text = notes(chart, major)
    assert "MISSING  KServe" in text
    assert "`helm upgrade demo ...`" in text
    assert "Kubeflow" in text
    assert "kubectl --namespace ml get objectives" in text


def test_a_missing_prometheus_operator_is_said(chart):
    """Monitors that were asked for and left out."""
    assert "knows no ServiceMonitor" in notes(chart, 4, "--set", "prometheus.monitors=true")


def test_an_open_online_store_is_said(chart):
    """Once it has a password there is nothing to say."""
    assert "asks for no password" in notes(chart, 4)
    locked = ("--set", "redis.requirePassword=true", "--set", "credentials.existingSecret=mine")
    assert "asks for no password" not in notes(chart, 4, *locked)
