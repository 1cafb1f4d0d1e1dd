"""The compiled pipeline carries the names of the installation it is uploaded to."""

import re
import subprocess
import sys

import pytest
import yaml
from google.protobuf import json_format
from kfp.compiler import Compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions
from kfp.kubernetes import kubernetes_executor_config_pb2

from tidemill.operator.pipeline import (
    compiled_training,
    pipeline_name,
    pipeline_resources,
    version_name,
)

NAMES = {
    "image": "registry.local/pipelines@sha256:0123",
    "pull_policy": "Always",
    "home_claim": "shop-home",
    "config_map": "shop-environment",
    "secret": "shop-credentials",
}
DEFAULTS = ("ghcr.io", "IfNotPresent", "tidemill-home", "tidemill-environment", "credentials")


def pods(ir):
    platform = list(yaml.safe_load_all(ir))[1]
    return platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()


def test_every_name_of_the_installation_replaces_the_default():
    """Not one default is left, wherever Kubeflow keeps a name twice."""
    ir = compiled_training(**NAMES)
    assert all(ir.count(name) >= 7 for name in NAMES.values())
    left = re.sub("|".join(NAMES.values()), "", ir)
    assert [name for name in DEFAULTS if name in left] == []


def test_without_a_secret_no_pod_refers_to_one():
    """An installation without passwords has none to read."""
    ir = compiled_training(**{**NAMES, "secret": ""})
    assert "secretName" not in ir
    assert all(settings["secretAsEnv"] == [] for settings in pods(ir))


def test_pull_secrets_reach_every_pod():
    """A private registry asks each node."""
    for settings in pods(compiled_training(**NAMES, image_pull_secrets=["a", "b"])):
        assert [secret["secretName"] for secret in settings["imagePullSecret"]] == ["a", "b"]


def test_kubeflow_can_read_what_was_replaced():
    """Every field belongs to its schema."""
    ir = compiled_training(**NAMES, image_pull_secrets=["a"])
    for settings in pods(ir):
        message = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        json_format.ParseDict(settings, message)
        assert message.pvc_mount[0].constant == "shop-home"
        assert message.secret_as_env[0].secret_name_parameter.runtime_value.constant.string_value


def test_a_version_is_named_after_its_content():
    """The same twice, another for every other pipeline."""
    ir = compiled_training(**NAMES)
    assert re.fullmatch("v-[0-9a-f]{12}", version_name(ir))
    assert version_name(ir) == version_name(compiled_training(**NAMES))
    assert version_name(ir) != version_name(compiled_training(**{**NAMES, "image": "other"}))


def test_the_resources_are_those_kubeflows_compiler_writes(tmp_path):
    """Same kinds, same fields; only the description of its own is missing."""
    from tidemill_pipelines.pipeline import training

    ir = compiled_training()
    names = {"pipeline_name": pipeline_name("shop"), "pipeline_version_name": version_name(ir)}
    Compiler().compile(
        training,
        package_path=str(tmp_path / "resources.yaml"),
        kubernetes_manifest_format=True,
        kubernetes_manifest_options=KubernetesManifestOptions(
            **names, namespace="shop", include_pipeline_manifest=True
        ),
    )
    theirs = list(yaml.safe_load_all((tmp_path / "resources.yaml").read_text()))
    del theirs[1]["spec"]["pipelineSpec"]["sdkVersion"]
    for resource in theirs:
        del resource["spec"]["description"]
    assert pipeline_resources(ir, "shop") == theirs


@pytest.mark.parametrize("package", ["kfp", "tidemill_pipelines", "kopf", "mlflow"])
def test_the_operator_needs_no_compiler(package):
    """The file is all that the two share."""
    code = (
        "import sys; from tidemill.operator.pipeline import compiled_training as c; c(); "
        f"sys.exit({package!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
