"""Which version is ready is read from the pods that run it."""

from __future__ import annotations

from typing import Any

from tidemill.operator.pods import VersionPods, pods_of_version


def pod(
    version: str, *, ready: bool = True, status: dict[str, Any] | None = None
) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "metadata": {"name": f"orders-{version}"},
        "spec": {
            "containers": [{"args": ["serve", f"--model-dir=/tidemill/serving/orders/{version}"]}]
        },
        "status": {"conditions": [condition], **(status or {})},
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"state": state}]}


def test_pods_are_counted_by_the_version_they_were_started_with() -> None:
    """Version 1 is not version 11."""
    pods = [pod("1"), pod("11"), pod("11", ready=False)]
    assert pods_of_version(pods, "11") == VersionPods(ready=1, total=2)


def test_a_pod_on_its_way_out_no_longer_counts() -> None:
    """It still answers, but not for long."""
    leaving = pod("1")
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    assert pods_of_version([leaving], "1") == VersionPods()


def test_a_pod_that_was_evicted_no_longer_counts() -> None:
    """It stays in the list for long, as Failed."""
    evicted = pod("1", ready=False, status={"phase": "Failed"})
    assert pods_of_version([evicted, pod("1")], "1") == VersionPods(ready=1, total=1)


def test_a_container_that_cannot_start_says_why() -> None:
    """The kubelet's reason and message."""
    pods = [pod("1", ready=False, status=waiting("ImagePullBackOff", "not found"))]
    assert pods_of_version(pods, "1").problem == "ImagePullBackOff: not found"


def test_a_container_that_is_being_created_has_no_problem_yet() -> None:
    """Every pod begins so."""
    pods = [pod("1", ready=False, status=waiting("ContainerCreating"))]
    assert pods_of_version(pods, "1").problem == ""


def test_a_pod_without_a_node_says_so() -> None:
    """The scheduler's message."""
    unscheduled = {
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]
    }
    pods = [pod("1", ready=False, status=unscheduled)]
    assert pods_of_version(pods, "1").problem == "Unschedulable: 0/1 nodes"
