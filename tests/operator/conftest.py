"""Stand-ins for the servers an operator talks to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the stand-ins serve the benchmark too


@pytest.fixture
def kubeflow_stub() -> Iterator[Any]:
    """A KubeflowStub that listens, without users."""
    from kubeflow_stub import KubeflowStub

    with KubeflowStub() as stub:
        yield stub


@pytest.fixture
def world(api_double: Any, kubeflow_stub: Any) -> Any:
    """A namespace to operate in, with an operator that is called by hand."""
    from operator_world import World

    return World(api_double, kubeflow_stub)
