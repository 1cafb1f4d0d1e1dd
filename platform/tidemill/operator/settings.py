"""The operator's configuration file, as the chart renders it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill.errors import OperatorError


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Environment(_Block):
    """Where pods read their settings from."""

    configMap: str
    """TIDEMILL_HOME, MLFLOW_TRACKING_URI, TIDEMILL_ONLINE_STORE."""
    secret: str = ""
    """Passwords by the names of their variables; empty for none."""


class KubeflowSettings(_Block):
    """How Kubeflow Pipelines is reached."""

    endpoint: str
    """URL of the API server of Kubeflow Pipelines."""
    serviceAccount: str = ""
    """Of pipeline pods; empty for Kubeflow's default."""
    tokenPath: str = ""
    """Projected token for multi-user installations; empty for none."""


class PipelineSettings(_Block):
    """What pipeline steps run on."""

    image: str
    """Image of the pipelines component."""
    pullPolicy: str = "IfNotPresent"
    """When nodes pull it."""
    imagePullSecrets: list[str] = []
    """Secrets for its registry."""


class Canary(_Block):
    """How carefully a new champion takes over."""

    percent: int = Field(default=10, ge=0, le=99)
    """Share of the traffic a canary gets, where the cluster can split traffic; 0 splits none."""
    minutes: int = Field(default=10, ge=0)
    """How long it is watched, where there is something to watch: split traffic or Prometheus."""
    readyMinutes: int = Field(default=10, ge=1)
    """How long it may take to become ready before it is rolled back."""
    maxErrorRate: float = Field(default=0.02, gt=0, le=1)
    """Share of failed requests at which it is rolled back."""


class ServingSettings(_Block):
    """What all endpoints have in common."""

    serviceAccount: str
    """Of serving pods."""
    deploymentMode: Literal["Auto", "Standard", "Knative"] = "Auto"
    """KServe's deployment mode; Auto takes Knative where it is installed."""
    imagePullSecrets: list[str] = []
    """Secrets for the image's registry."""
    cpuPercent: int = Field(default=70, ge=1, le=100)
    """CPU use that the autoscaler keeps, where requests cannot be measured."""
    requestsPerSecond: int = Field(default=200, ge=1)
    """Requests per second and replica that the autoscaler keeps, where they can."""
    canary: Canary = Canary()
    """How a new champion takes over."""


class MonitoringSettings(_Block):
    """What monitors run on."""

    image: str
    """Image of the monitoring component."""
    pullPolicy: str = "IfNotPresent"
    """When nodes pull it."""
    imagePullSecrets: list[str] = []
    """Secrets for its registry."""
    serviceAccount: str
    """Of monitoring pods."""
    window: str = "7d"
    """How far back each run looks."""
    resources: dict[str, Any] = {}
    """Requests and limits of a monitoring pod."""


class OperatorSettings(_Block):
    """Everything an installation decides, as opposed to an Objective."""

    namespace: str
    """The one namespace the operator works in."""
    name: str
    """Full name of the Helm release."""
    runtime: str
    """The ClusterServingRuntime of endpoints."""
    homeClaim: str
    """The PersistentVolumeClaim of the shared home."""
    environment: Environment
    """Settings of pods."""
    mlflow: str
    """URL of the MLflow server."""
    kubeflow: KubeflowSettings
    """Where pipelines run."""
    pipeline: PipelineSettings
    """On what they run."""
    serving: ServingSettings
    """Endpoints."""
    monitoring: MonitoringSettings
    """Monitors."""
    prometheus: str = ""
    """URL of a Prometheus that scrapes the endpoints; empty for none."""
    resyncSeconds: int = Field(default=60, ge=5)
    """How often every Objective is looked at without a cause."""


def load_settings(path: Path) -> OperatorSettings:
    """Read the file. Raises OperatorError naming every key that is wrong."""
    try:
        return OperatorSettings.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise OperatorError(
            f"no configuration at {path}: {error.strerror}",
            hint="the chart mounts it there; give another place with --config",
        ) from error
    except yaml.YAMLError as error:
        raise OperatorError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, found['loc'])) or 'the file'}: {found['msg']}"
            for found in error.errors()
        )
        raise OperatorError(f"{path}: {wrong}", hint="compare it with docs/values.md") from error
