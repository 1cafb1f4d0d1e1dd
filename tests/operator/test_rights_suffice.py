"""The chart's Role holds what the operator asks of the API server, and nothing else.

The requests are those of a whole life of an Objective, against the API double.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from operator_world import NAMESPACE, World, objective_manifest

from tidemill.cluster import KubernetesApi
from tidemill.errors import ClusterError
from tidemill.operator.leader import Leadership

HELM_TESTS = Path(__file__).parents[1] / "helm" / "conftest.py"
WATCHED = {
    "tidemill.dev/objectives",
    "serving.kserve.io/inferenceservices",
    "batch/cronjobs",
    "batch/jobs",
}
"""By kopf, which lists and watches; the operator itself is called by hand here."""
_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/[^/]+)?/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/?]+))?(?:/(?P<sub>[a-z]+))?(?:\?(?P<query>.*))?$"
)

Right = tuple[str, str]
"""Verb, and group/resource."""


@pytest.fixture(scope="module")
def granted() -> set[Right]:
    """What the rendered Role and ClusterRole allow."""
    chart = runpy.run_path(str(HELM_TESTS))["Chart"]()
    rules = [
        rule
        for found in chart.render()
        if found["kind"] in {"Role", "ClusterRole"}
        for rule in found["rules"]
    ]
    return {
        (verb, f"{group}/{resource}")
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def live_a_life(world: World) -> None:
    """Create, serve, drift, fail, lose the schedule, delete; take, keep and give back the lease."""
    leader = Leadership(KubernetesApi.connect(None, NAMESPACE), "tidemill-operator", "a")
    leader.wait()
    leader._try()
    world.apply()
    world.serve("1")
    world.double.delete("InferenceService", "orders")
    world.reconcile()
    world.apply(objective_manifest(monitoring={}))
    world.reconcile()
    world.double.delete("Objective", "orders")
    with suppress(ClusterError):
        world.operator.reconcile("orders")
    leader.release()


def asked(requests: list[tuple[str, str]]) -> Iterator[Right]:
    """The right that each request needs. A server-side apply that creates needs `create` too."""
    for method, path in requests:
        match = _PATH.match(path)
        if match is None or path.startswith(("/api?", "/apis?")):
            continue
        sub = f"/{match['sub']}" if match["sub"] else ""
        resource = f"{match['group'] or ''}/{match['plural']}{sub}"
        if method == "GET":
            yield ("get" if match["name"] else "list"), resource
        elif method == "PATCH":
            yield "patch", resource
            if "fieldManager" in (match["query"] or ""):
                yield "create", resource
        else:
            yield {"POST": "create", "PUT": "update", "DELETE": "delete"}[method], resource


def test_every_request_is_granted_and_every_grant_is_used(
    world: World, granted: set[Right], api_double: Any
) -> None:
    """Both ways: nothing is refused on a cluster, and nothing is there to be misused."""
    live_a_life(world)
    needed = set(asked(api_double.requests))
    needed |= {(verb, resource) for resource in WATCHED for verb in ("list", "watch")}
    # Checked by the API server when an owner reference blocks deletion.
    needed.add(("update", "tidemill.dev/objectives/finalizers"))
    assert needed - granted == set()
    assert granted - needed == set()
