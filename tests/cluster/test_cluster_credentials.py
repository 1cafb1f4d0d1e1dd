"""Which cluster is meant: kubeconfig contexts, namespaces, service accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tidemill.cluster import KubernetesApi, connection
from tidemill.errors import ClusterError


def test_the_namespace_is_given_or_the_contexts(api_double: Any) -> None:
    """In this order."""
    assert KubernetesApi.connect().namespace == "tidemill"
    assert KubernetesApi.connect(namespace="shop").namespace == "shop"


def test_a_context_is_chosen_by_name(api_double: Any, tmp_path: Path) -> None:
    """Also when it is not the current one, and from a second file of KUBECONFIG."""
    path = tmp_path / "kubeconfig"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, "current-context": "gone"}))
    assert KubernetesApi.connect("double").list("Pod") == []
    with pytest.raises(ClusterError, match="no context is called 'gone'"):
        KubernetesApi.connect()


def test_an_unknown_context_lists_the_known_ones(api_double: Any) -> None:
    """A typing mistake is mended at a glance."""
    with pytest.raises(ClusterError, match="no context is called 'duble'") as refused:
        KubernetesApi.connect("duble")
    assert refused.value.hint == "choose with --context, known: double"


@pytest.mark.parametrize("text", ["", "a: [", "just text", "contexts: 3"])
def test_a_file_that_is_no_kubeconfig_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it."""
    path = tmp_path / "config"
    path.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ClusterError, match=str(path)):
        KubernetesApi.connect()


def test_both_ways_to_a_cluster_are_named_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer has neither."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(ClusterError, match="no cluster is configured") as refused:
        KubernetesApi.connect()
    assert "KUBECONFIG" in str(refused.value.hint)
    assert "service account" in str(refused.value.hint)


def test_in_cluster_means_the_service_account_alone(api_double: Any) -> None:
    """A kubeconfig file in the image is not looked at."""
    with pytest.raises(ClusterError, match="no service account"):
        KubernetesApi.connect("in-cluster")


def test_a_pod_finds_its_own_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the folder that Kubernetes mounts; the library's paths are moved, as we own no root."""
    from kubernetes.config import incluster_config

    for name, text in {"token": "t", "ca.crt": "certificate", "namespace": "shop\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(connection, "_SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(connection, "_client", lambda configuration: configuration)
    found = connection.open_connection(None, None)
    assert (found.namespace, found.client.host) == ("shop", "https://10.0.0.1:443")
