"""What a person reads after `helm install`."""


def notes(chart, *options):
    """Helm 3 asks a cluster before it prints any."""
    place = ("install", "demo", str(chart.folder), "--namespace", "ml", "--dry-run=client")
    found = chart.run(4, *place, *options)
    assert found.returncode == 0, found.stderr
    return found.stdout.partition("NOTES:")[2]


def test_what_is_missing_is_said(chart):
    """On a cluster with nothing: how to get on."""
    text = notes(chart)
    assert "MISSING  KServe" in text
    assert "`helm upgrade demo ...`" in text
    assert "Kubeflow" in text
    assert "kubectl --namespace ml get objectives" in text


def test_a_missing_prometheus_operator_is_said(chart):
    """Monitors that were asked for and left out."""
    assert "knows no ServiceMonitor" in notes(chart, "--set", "prometheus.monitors=true")


def test_an_open_online_store_is_said(chart):
    """Once it has a password there is nothing to say."""
    assert "asks for no password" in notes(chart)
    locked = ("--set", "redis.requirePassword=true", "--set", "credentials.existingSecret=mine")
    assert "asks for no password" not in notes(chart, *locked)
