"""The file that the operator reads, and what else it finds in its container."""

import pytest
import yaml

EXAMPLE = """
namespace: tidemill
name: tidemill
runtime: tidemill-tidemill
homeClaim: tidemill-home
environment: {configMap: tidemill-environment, secret: ""}
mlflow: http://tidemill-mlflow:5000
kubeflow: {endpoint: "http://ml-pipeline.kubeflow:8888", serviceAccount: "", tokenPath: ""}
pipeline:
  image: ghcr.io/tidemill/pipelines:0.1.0
  pullPolicy: IfNotPresent
  imagePullSecrets: []
serving:
  serviceAccount: tidemill-serving
  deploymentMode: Auto
  imagePullSecrets: []
  cpuPercent: 70
  requestsPerSecond: 200
  canary: {percent: 10, minutes: 10, readyMinutes: 10, maxErrorRate: 0.02}
monitoring:
  image: ghcr.io/tidemill/monitoring:0.1.0
  pullPolicy: IfNotPresent
  imagePullSecrets: []
  serviceAccount: tidemill-monitoring
  window: 7d
  resources: {requests: {cpu: 200m, memory: 1Gi}, limits: {memory: 4Gi}}
prometheus: ""
resyncSeconds: 60
"""


def operator_file(chart, *arguments):
    return yaml.safe_load(chart.one("ConfigMap", "operator", *arguments)["data"]["operator.yaml"])


def operator_pod(chart, *arguments):
    return chart.one("Deployment", "operator", *arguments)["spec"]["template"]


def test_a_default_install_writes_this_file(chart):
    """Key by key: the operator refuses a file with any other."""
    assert operator_file(chart) == yaml.safe_load(EXAMPLE)


@pytest.mark.parametrize("example", ["default", "minimal", "production"])
def test_the_operator_takes_the_file(chart, example, tmp_path):
    """Read by the operator's own strict model."""
    from tidemill.operator.settings import load_settings

    path = tmp_path / "operator.yaml"
    path.write_text(chart.one("ConfigMap", "operator", example)["data"]["operator.yaml"])
    assert load_settings(path).namespace == "tidemill"


def test_values_arrive_in_the_file(chart):
    """Mirror, secrets and addresses of a production install."""
    found = operator_file(chart, "production")
    assert found["pipeline"]["image"] == "registry.example.com/mirror/tidemill/pipelines:0.1.0"
    assert found["serving"]["imagePullSecrets"] == ["registry"]
    assert "tidemill-credentials" in found["environment"].values()
    assert found["prometheus"] == "http://prometheus.monitoring:9090"


def test_every_name_in_the_file_is_made_by_the_chart(chart):
    """A name that nothing answers to would be found out at run time only."""
    found = operator_file(chart)
    made = {(each["kind"], each["metadata"]["name"]) for each in chart.render()}
    assert {
        ("ClusterServingRuntime", found["runtime"]),
        ("PersistentVolumeClaim", found["homeClaim"]),
        ("ConfigMap", found["environment"]["configMap"]),
        ("ServiceAccount", found["serving"]["serviceAccount"]),
        ("ServiceAccount", found["monitoring"]["serviceAccount"]),
        ("Service", "tidemill-mlflow"),
    } <= made


def test_the_token_is_where_the_file_says(chart):
    """In multi-user mode, for the audience that Kubeflow accepts."""
    spec = operator_pod(chart, "production")["spec"]
    (volume,) = [found for found in spec["volumes"] if "projected" in found]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == volume["name"]]
    token = volume["projected"]["sources"][0]["serviceAccountToken"]
    path = operator_file(chart, "production")["kubeflow"]["tokenPath"]
    assert path == f"{mount['mountPath']}/{token['path']}"
    assert token["audience"] == "pipelines.kubeflow.org"


@pytest.mark.parametrize("option", ["serving.cpuPercent=50", "onlineStore.url=redis://other"])
def test_a_change_of_settings_restarts_the_operator(chart, option):
    """Neither a mounted file nor a variable is read twice."""
    options = ("default", "--set", "redis.enabled=false", "--set", "onlineStore.url=redis://one")
    before = operator_pod(chart, *options)["metadata"]["annotations"]
    after = operator_pod(chart, *options, "--set", option)["metadata"]["annotations"]
    assert before != after


def test_settings_of_the_pods_are_complete(chart):
    """The three variables that every Tidemill container reads."""
    assert chart.one("ConfigMap", "environment")["data"] == {
        "TIDEMILL_HOME": "/tidemill",
        "MLFLOW_TRACKING_URI": "http://tidemill-mlflow:5000",
        "TIDEMILL_ONLINE_STORE": "redis://tidemill-redis:6379/0",
    }
