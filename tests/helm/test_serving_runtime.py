"""The ClusterServingRuntime, on clusters with KServe, with Knative, and with neither."""

import jsonschema
import pytest

KNATIVE = ("--api-versions", "serving.knative.dev/v1")
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
# The keys of a runtime's spec that KServe 0.15 to 0.21 know and that concern a single model; what
# is in a container or a volume is checked against the schema of pods.
SPEC = {
    "type": "object",
    "additionalProperties": False,
    "required": ["containers", "supportedModelFormats"],
    "properties": {
        "supportedModelFormats": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "version": {"type": "string"},
                    "autoSelect": {"type": "boolean"},
                    "priority": {"type": "integer", "minimum": 1},
                },
            },
        },
        "multiModel": {"type": "boolean"},
        "disabled": {"type": "boolean"},
        "protocolVersions": {
            "type": "array",
            "items": {"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]},
        },
        "labels": TEXTS,
        "annotations": TEXTS,
        "nodeSelector": TEXTS,
        "tolerations": {"type": "array"},
        "affinity": {"type": "object"},
        "imagePullSecrets": {"type": "array"},
        "containers": {"type": "array", "minItems": 1},
        "volumes": {"type": "array"},
    },
}


def runtime(chart, *arguments):
    (found,) = [
        each for each in chart.render(*arguments) if each["kind"] == "ClusterServingRuntime"
    ]
    return found["spec"]


def container(chart, *arguments):
    return runtime(chart, *arguments)["containers"][0]


@pytest.mark.parametrize("arguments", [("default",), ("production",), ("default", *KNATIVE)])
def test_kserve_knows_every_key(chart, arguments):
    """A runtime has no place for a pod's security settings or its service account."""
    jsonschema.validate(runtime(chart, *arguments), SPEC)


def test_it_is_chosen_by_name_only(chart):
    """It reads the home of one namespace, so it must not be picked for others' models."""
    (model,) = runtime(chart)["supportedModelFormats"]
    assert model == {"name": "tidemill", "autoSelect": False}


def test_the_server_listens_where_the_ports_say(chart):
    """HTTP first, as it becomes port 80; gRPC is known by its name."""
    found = container(chart)
    assert found["name"] == "kserve-container"
    assert found["args"] == ["serve", "--host=0.0.0.0", "--port=8080", "--grpc-port=8081"]
    assert [(p["name"], p["containerPort"]) for p in found["ports"]] == [
        ("http1", 8080),
        ("grpc", 8081),
    ]


def test_the_server_takes_the_arguments(chart):
    """Those of the runtime, and those KServe appends."""
    from typer.main import get_command

    from tidemill.cli.main import build_app

    serve = get_command(build_app()).commands["serve"]
    appended = ["--model-dir=/tidemill/serving/churn/1", "--model-name=churn", "--index=exact"]
    context = serve.make_context("serve", [*container(chart)["args"][1:], *appended])
    assert (context.params["port"], context.params["grpc_port"]) == (8080, 8081)


def test_promoted_models_cannot_be_changed_by_an_endpoint(chart):
    """It reads them, and writes its log of predictions beside them."""
    mounts = {mount["mountPath"]: mount for mount in container(chart)["volumeMounts"]}
    assert mounts["/tidemill/serving"]["readOnly"] is True
    assert mounts["/tidemill/serving"]["subPath"] == "serving"
    assert mounts["/tidemill/predictions"]["subPath"] == "predictions"
    assert "/tidemill" not in mounts


def test_stopping_waits_for_the_balancers(chart):
    """By Kubernetes' own sleep, as the image has no shell."""
    assert container(chart)["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


@pytest.mark.parametrize(
    "arguments",
    [("default", *KNATIVE), ("default", "--set", "serving.deploymentMode=Knative")],
)
def test_knative_gets_what_it_allows(chart, arguments):
    """One port and no hooks."""
    found = container(chart, *arguments)
    assert [port["name"] for port in found["ports"]] == ["http1"]
    assert "--grpc-port=0" in found["args"]
    assert not {"lifecycle", "startupProbe"} & set(found)


def test_standard_mode_is_kept_beside_knative(chart):
    """The values decide, not what else is installed."""
    found = container(chart, "default", *KNATIVE, "--set", "serving.deploymentMode=Standard")
    assert [port["name"] for port in found["ports"]] == ["http1", "grpc"]


def test_metrics_are_announced(chart):
    """To a Prometheus that looks at annotations, and to KServe's proxy."""
    annotations = runtime(chart)["annotations"]
    assert annotations["prometheus.io/port"] == annotations["prometheus.kserve.io/port"] == "8080"


def test_without_kserve_everything_else_is_made(chart):
    """Helm would refuse the whole release for one unknown kind."""
    bare = {found["kind"] for found in chart.render(bare=True)}
    full = {found["kind"] for found in chart.render()}
    assert full - bare == {"ClusterServingRuntime"}
