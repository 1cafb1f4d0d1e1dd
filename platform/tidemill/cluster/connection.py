"""Which cluster, as whom, in which namespace: kubeconfig contexts and service accounts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import YAMLError

from tidemill.errors import ClusterError

IN_CLUSTER = "in-cluster"
"""The context that stands for the service account of the pod itself."""
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_THREADS = 16


@dataclass(frozen=True)
class Connection:
    """Credentials and pooled transport of one cluster; safe to share between threads."""

    client: Any
    """A `kubernetes.client.ApiClient`."""
    namespace: str


def open_connection(context: str | None, namespace: str | None) -> Connection:
    """As `KubernetesApi.connect`, without its verbs."""
    if context == IN_CLUSTER:
        return _from_service_account(namespace)
    files = _kubeconfig_files()
    if files:
        return _from_kubeconfig(files, context, namespace)
    if context is None and (_SERVICE_ACCOUNT / "token").exists():
        return _from_service_account(namespace)
    raise ClusterError(
        "no cluster is configured: there is neither a kubeconfig file nor a service account",
        hint="point KUBECONFIG at a kubeconfig file (default ~/.kube/config), or run inside a pod "
        f"with a service account (TIDEMILL_CONTEXT={IN_CLUSTER})",
    )


def _kubeconfig_files() -> str:
    """The kubeconfig files that exist, as KUBECONFIG lists them."""
    listed = os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = [Path(path).expanduser() for path in listed.split(os.pathsep) if path]
    return os.pathsep.join(str(path) for path in paths if path.is_file())


def _from_kubeconfig(files: str, context: str | None, namespace: str | None) -> Connection:
    from kubernetes import config  # 0.6 CPU seconds

    configuration = _configuration()
    try:
        chosen = _choose_context(files, context)
        config.load_kube_config(
            files, chosen["name"], client_configuration=configuration, persist_config=False
        )
    except (config.ConfigException, ValueError, TypeError, OSError, YAMLError) as error:
        raise ClusterError(
            f"{files} is not a whole kubeconfig: {error}",
            hint="`kubectl config view` shows what it holds",
        ) from error
    own = chosen["context"].get("namespace")
    return Connection(_client(configuration), namespace or own or "default")


def _choose_context(files: str, context: str | None) -> dict[str, Any]:
    from kubernetes.config.kube_config import KubeConfigMerger

    found = KubeConfigMerger(files).config.value
    contexts = {entry.value["name"]: entry.value for entry in found["contexts"]}
    name = context or found.get("current-context")
    if name in contexts:
        return dict(contexts[name])
    known = ", ".join(sorted(contexts)) or "none"
    missing = f"no context is called '{name}'" if name else "no context is current"
    raise ClusterError(f"{missing} in {files}", hint=f"choose with --context, known: {known}")


def _from_service_account(namespace: str | None) -> Connection:
    from kubernetes import config

    configuration = _configuration()
    try:
        config.load_incluster_config(configuration)
    except (config.ConfigException, OSError) as error:
        raise ClusterError(
            f"this process has no service account of a cluster: {error}",
            hint="run it in a pod with automountServiceAccountToken, or choose a kubeconfig "
            "context with --context",
        ) from error
    return Connection(_client(configuration), namespace or _own_namespace())


def _own_namespace() -> str:
    path = _SERVICE_ACCOUNT / "namespace"
    return path.read_text().strip() if path.exists() else "default"


def _configuration() -> Any:
    import urllib3
    from kubernetes.client import Configuration

    configuration = Configuration()
    configuration.connection_pool_maxsize = _THREADS
    # A restarting API server breaks connections; what may have happened already is not repeated.
    configuration.retries = urllib3.Retry(
        connect=1, read=1, status=3, redirect=0, other=0, backoff_factor=0.2, raise_on_status=False
    )
    return configuration


def _client(configuration: Any) -> Any:
    from kubernetes.client import ApiClient

    client = ApiClient(configuration)
    client.user_agent = "tidemill"
    return client
