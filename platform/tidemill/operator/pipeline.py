"""The compiled training pipeline with an installation's own names in it.

`training.yaml` beside this file is compiled from the pipelines component, which the operator does
not need to have; `python -m tidemill_pipelines.compiled` writes it anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import yaml

from tidemill import __version__

IMAGE = f"ghcr.io/tidemill/pipelines:{__version__}"
HOME_CLAIM = "tidemill-home"
CONFIG_MAP = "tidemill-environment"
SECRET = "tidemill-credentials"  # noqa: S105  # the name of a Secret
PULL_POLICY = "IfNotPresent"

Document = dict[str, Any]


def pipeline_name(namespace: str) -> str:
    """The one pipeline of an installation; several may share a Kubeflow."""
    return f"tidemill-training-{namespace}"


def compiled_training(
    image: str = IMAGE,
    pull_policy: str = PULL_POLICY,
    home_claim: str = HOME_CLAIM,
    config_map: str = CONFIG_MAP,
    secret: str = SECRET,
    image_pull_secrets: Sequence[str] = (),
) -> str:
    """The pipeline as YAML, ready to upload. An empty `secret` means that pods get none."""
    pipeline, platform = yaml.safe_load_all(
        files(__package__).joinpath("training.yaml").read_text()
    )
    for executor in pipeline["deploymentSpec"]["executors"].values():
        executor["container"]["image"] = image
    for settings in _pod_settings(platform):
        settings["imagePullPolicy"] = pull_policy
        settings["pvcMount"] = [_claim(mount, home_claim) for mount in settings["pvcMount"]]
        settings["configMapAsEnv"] = [
            _named(read, "configMapName", config_map) for read in settings["configMapAsEnv"]
        ]
        settings["secretAsEnv"] = [
            _named(read, "secretName", secret) for read in settings["secretAsEnv"] if secret
        ]
        if image_pull_secrets:
            settings["imagePullSecret"] = [
                _named({}, "secretName", name) for name in image_pull_secrets
            ]
    return yaml.safe_dump_all([pipeline, platform])


def version_name(ir: str) -> str:
    """Another name for every other pipeline: `v-` and 12 hex digits."""
    return f"v-{hashlib.sha256(ir.encode()).hexdigest()[:12]}"


def pipeline_resources(ir: str, namespace: str) -> list[Document]:
    """The same as Kubernetes resources, for Kubeflow Pipelines in Kubernetes-native mode.

    They carry the names under which the operator looks for pipeline and version, which it finds if
    they were compiled with what its settings say.
    """
    spec, platform = yaml.safe_load_all(ir)
    pipeline, version = pipeline_name(namespace), version_name(ir)
    return [
        _resource("Pipeline", pipeline, namespace, {}),
        _resource(
            "PipelineVersion",
            version,
            namespace,
            {"pipelineName": pipeline, "pipelineSpec": spec, "platformSpec": platform},
        ),
    ]


def _pod_settings(platform: Document) -> Iterator[Document]:
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    yield from executors.values()


def _claim(mount: Document, name: str) -> Document:
    return {**mount, "constant": name, "pvcNameParameter": _constant(name)}


def _named(entry: Document, field: str, name: str) -> Document:
    return {**entry, field: name, f"{field}Parameter": _constant(name)}


def _constant(name: str) -> Document:
    """Names stand twice, plain for older servers of Kubeflow and like this for newer ones."""
    return {"runtimeValue": {"constant": name}}


def _resource(kind: str, name: str, namespace: str, spec: Document) -> Document:
    return {
        "apiVersion": "pipelines.kubeflow.org/v2beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"displayName": name, **spec},
    }
