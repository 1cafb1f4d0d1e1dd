"""What the tests of the cluster client share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tidemill.cluster import KubernetesApi


@pytest.fixture
def api(api_double: Any) -> KubernetesApi:
    """The client, connected to the API double by its kubeconfig file."""
    return KubernetesApi.connect()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """`wait_until(lambda: ..., seconds=10)`: fails when it does not become true."""

    def wait(is_so: Callable[[], bool], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, "it did not become so"
            time.sleep(0.02)

    return wait


@pytest.fixture
def objective() -> Callable[..., dict[str, Any]]:
    """`objective("churn", within="28d", **metadata)`: an Objective's manifest."""

    def make(name: str = "churn", within: str = "28d", **metadata: Any) -> dict[str, Any]:
        return {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": name, **metadata},
            "spec": {"churn": {"within": within}},
        }

    return make
