"""What each verb of the cluster client does, on a real HTTP connection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tidemill.cluster import KubernetesApi
from tidemill.errors import ClusterError

Make = Callable[..., dict[str, Any]]


def test_what_is_absent_is_none(api: KubernetesApi) -> None:
    """Most callers want to know, not to be stopped."""
    assert api.get("Objective", "churn") is None
    assert api.delete("Objective", "churn") is False


def test_applying_creates_and_then_changes_nothing(api: KubernetesApi, objective: Make) -> None:
    """The same again is the same object at the same version."""
    first = api.apply(objective())
    assert first["metadata"]["namespace"] == "tidemill"
    assert api.apply(objective()) == first
    assert api.get("Objective", "churn") == first


def test_what_is_no_longer_applied_goes(api: KubernetesApi, objective: Make) -> None:
    """Only what this manager has set; labels of others stay."""
    api.apply(objective(labels={"ours": "1"}))
    api.patch("Objective", "churn", {"metadata": {"labels": {"theirs": "2"}}})
    found = api.apply(objective())
    assert found["metadata"]["labels"] == {"theirs": "2"}


def test_applying_is_forced_and_strict(
    api: KubernetesApi, api_double: Any, objective: Make
) -> None:
    """Two writers of one field do not block each other, and a misspelt field is refused."""
    api.apply(objective(), manager="someone")
    (path,) = [path for method, path in api_double.requests if method == "PATCH"]
    assert "force=true" in path
    assert "fieldValidation=Strict" in path
    assert "fieldManager=someone" in path


def test_creating_twice_conflicts(api: KubernetesApi, objective: Make) -> None:
    """The second of two creators is told."""
    api.create(objective())
    with pytest.raises(ClusterError, match="already exists") as refused:
        api.create(objective())
    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


def test_replacing_an_older_version_conflicts(api: KubernetesApi, objective: Make) -> None:
    """Whoever read first and writes second would undo the other."""
    read = api.create(objective())
    api.replace({**read, "spec": {"churn": {"within": "7d"}}})
    with pytest.raises(ClusterError, match="modified") as refused:
        api.replace({**read, "spec": {"churn": {"within": "1d"}}})
    assert refused.value.status == 409


def test_a_patch_is_conditional_on_a_version(api: KubernetesApi, objective: Make) -> None:
    """When it names one."""
    api.create(objective())
    api.patch("Objective", "churn", {"metadata": {"annotations": {"a": "1"}}})
    with pytest.raises(ClusterError) as refused:
        api.patch("Objective", "churn", {"metadata": {"resourceVersion": "1"}})
    assert refused.value.status == 409


def test_status_is_a_subresource(api: KubernetesApi, objective: Make) -> None:
    """It moves apart from the spec, and does not make a new generation."""
    api.create(objective())
    api.patch("Objective", "churn", {"status": {"phase": "Lost"}})
    assert "status" not in (api.get("Objective", "churn") or {})
    found = api.patch("Objective", "churn", {"status": {"phase": "Serving"}}, subresource="status")
    assert (found["status"], found["metadata"]["generation"]) == ({"phase": "Serving"}, 1)


def test_lists_are_whole_and_say_their_kind(
    api: KubernetesApi, api_double: Any, objective: Make
) -> None:
    """However many pages the server makes of them."""
    for number in range(501):
        api_double.put(objective(f"o{number:03}", labels={"odd": str(number % 2)}))
    found = api.list("Objective")
    assert [each["metadata"]["name"] for each in found] == [
        f"o{number:03}" for number in range(501)
    ]
    assert {each["kind"] for each in found} == {"Objective"}
    assert len(api.list("Objective", labels="odd=1")) == 250


def test_another_namespace_is_another_place(
    api: KubernetesApi, api_double: Any, objective: Make
) -> None:
    """The manifest's own namespace comes before the client's."""
    api.apply(objective(namespace="default"))
    assert api.get("Objective", "churn") is None
    assert api.get("Objective", "churn", "default") is not None


def test_some_kinds_are_in_no_namespace(api: KubernetesApi) -> None:
    """Their path names none, whatever the client's namespace is."""
    assert api.get("CustomResourceDefinition", "objectives.tidemill.dev") is not None
    runtime = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime"}
    made = api.apply({**runtime, "metadata": {"name": "tidemill"}})
    assert "namespace" not in made["metadata"]
    assert api.list("ClusterServingRuntime") == [made]


def test_the_groups_served_tell_what_is_installed(api: KubernetesApi, api_double: Any) -> None:
    """KEDA is there or not."""
    assert {"keda.sh", "serving.kserve.io", "tidemill.dev"} <= api.groups()
    api_double.withdraw("ScaledObject")
    assert "keda.sh" not in api.groups()


def test_logs_are_of_one_container(api: KubernetesApi, api_double: Any) -> None:
    """Its last lines."""
    api_double.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "step"}})
    api_double.log("step", "one\ntwo\nthree\n", container="main")
    assert api.pod_log("step", container="main", tail=2) == "two\nthree\n"
    with pytest.raises(ClusterError, match=r"choose one of: \['main'\]"):
        api.pod_log("step")


def test_services_are_reached_through_the_api_server(api: KubernetesApi, api_double: Any) -> None:
    """With the body as it is; the service's own refusals come through."""
    api_double.service("churn-predictor", lambda path, body: (200, b"[" + body + b"]"))
    assert api.post_to_service("churn-predictor", "80", "/v1/x:predict", b"{}") == b"[{}]"
    assert api_double.posted == [("churn-predictor", "/v1/x:predict", b"{}")]
    api_double.service("churn-predictor", lambda path, body: (400, b'{"error": "no such user"}'))
    with pytest.raises(ClusterError, match="no such user") as refused:
        api.post_to_service("churn-predictor", "80", "/v1/x:predict", b"{}")
    assert refused.value.status == 400


def test_threads_share_one_client(api: KubernetesApi, objective: Make) -> None:
    """Eight workers of an operator do."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: api.apply(objective(f"o{number}")), range(80)))
    assert len(api.list("Objective")) == 80
