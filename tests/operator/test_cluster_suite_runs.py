"""`make test-cluster` itself, on the API double with the CRD's rules: it must not rot unseen.

Only a real cluster shows what the real API server and KServe make of it; here a thread plays the
part of KServe that the suite looks for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUITE = Path(__file__).parents[1] / "e2e" / "test_on_a_real_cluster.py"


def play_kserve(double: Any, stop: threading.Event) -> None:
    """A Deployment for each InferenceService, with the runtime's container and its arguments."""
    while not stop.wait(0.2):
        for service in double.list("InferenceService"):
            metadata = service["metadata"]
            reference = {
                "apiVersion": service["apiVersion"],
                "kind": "InferenceService",
                "name": metadata["name"],
                "uid": metadata["uid"],
            }
            container = {"args": service["spec"]["predictor"]["model"]["args"]}
            double.put(
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {
                        "name": f"{metadata['name']}-predictor",
                        "namespace": metadata["namespace"],
                        "ownerReferences": [reference],
                    },
                    "spec": {"template": {"spec": {"containers": [container]}}},
                }
            )


@pytest.mark.timeout(600)
def test_the_suite_passes_where_everything_is_as_it_should_be(
    api_double: Any, api_server_verdict: Callable[[Any], list[str]]
) -> None:
    """All of it but the test that needs an image, and nothing is left afterwards."""
    api_double.check(
        "Objective", lambda found: {str(n): p for n, p in enumerate(api_server_verdict(found))}
    )
    before = {found["metadata"]["name"] for found in api_double.list("Namespace")}
    stop = threading.Event()
    threading.Thread(target=play_kserve, args=(api_double, stop), daemon=True).start()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "e2e", "-p", "no:xdist", str(SUITE)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    stop.set()
    assert done.returncode == 0, done.stdout
    assert "2 skipped" in done.stdout
    assert {found["metadata"]["name"] for found in api_double.list("Namespace")} == before
    assert api_double.list("Objective") + api_double.list("InferenceService") == []
