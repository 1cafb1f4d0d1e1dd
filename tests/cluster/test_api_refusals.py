"""What the cluster client says when the API server does not do as it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidemill.cluster import KubernetesApi
from tidemill.errors import ClusterError

Make = Callable[..., dict[str, Any]]


def refused(call: Callable[[], Any]) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("verb", ["get", "list", "apply"])
def test_a_kind_that_is_not_installed_is_named(
    api: KubernetesApi, api_double: Any, verb: str
) -> None:
    """With what brings it; unlike an absent object it is never None."""
    api_double.withdraw("InferenceService")
    manifest = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "churn"},
    }
    calls: dict[str, Callable[[], Any]] = {
        "get": lambda: api.get("InferenceService", "churn"),
        "list": lambda: api.list("InferenceService"),
        "apply": lambda: api.apply(manifest),
    }
    error = refused(calls[verb])
    assert (error.status, error.reason) == (404, "KindNotServed")
    assert "inferenceservices.serving.kserve.io" in error.message
    assert error.hint == "install KServe 0.17 or newer"


def test_an_absent_namespace_is_named(api: KubernetesApi, objective: Make) -> None:
    """It looks like an absent object to the status code alone."""
    error = refused(lambda: api.apply(objective(namespace="shop")))
    assert error.message == "there is no namespace shop"


def test_a_missing_right_is_spelt_out(api: KubernetesApi, api_double: Any, objective: Make) -> None:
    """Which verb, on what, where, and how to check it."""
    api_double.fail("PATCH", "objectives", 403)
    error = refused(lambda: api.apply(objective()))
    assert error.status == 403
    assert "not allowed to patch objectives.tidemill.dev/churn in namespace tidemill" in (
        error.message
    )
    assert "kubectl auth can-i patch objectives.tidemill.dev -n tidemill" in str(error.hint)


def test_credentials_that_do_not_hold_are_said(
    api_double: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that ran out is the commonest cause."""
    path = api_double.kubeconfig(tmp_path / "other", token="out of date")  # noqa: S106 - not a secret
    monkeypatch.setenv("KUBECONFIG", str(path))
    error = refused(lambda: KubernetesApi.connect().list("Pod"))
    assert error.status == 401
    assert "log in again" in str(error.hint)


def test_every_broken_rule_of_an_object_is_said(
    api: KubernetesApi, api_double: Any, objective: Make
) -> None:
    """By field, in the server's words."""
    api_double.check("Objective", lambda found: {"spec.churn": "bad", "spec": "worse"})
    error = refused(lambda: api.create(objective()))
    assert (error.status, error.reason) == (422, "Invalid")
    assert error.message.endswith("is not valid: spec.churn: bad; spec: worse")


def test_a_server_that_is_away_is_said(api_double: Any, api: KubernetesApi) -> None:
    """Without a status, as nobody answered."""
    api_double.stop()
    error = refused(lambda: api.list("Pod"))
    assert error.status is None
    assert f"the cluster at {api_double.url} does not answer" in error.message


def test_a_broken_connection_is_tried_again_only_where_that_is_safe(
    api: KubernetesApi, api_double: Any, objective: Make
) -> None:
    """A create may have happened; a list has not."""
    api_double.fail("GET", "objectives", 0)
    assert api.list("Objective") == []
    api_double.fail("POST", "objectives", 0)
    assert refused(lambda: api.create(objective())).reason == "Unreachable"
    assert api_double.count("POST") == 1


def test_an_answer_of_something_else_is_quoted(api: KubernetesApi, api_double: Any) -> None:
    """Proxies answer with pages of their own."""
    api_double.service("churn", lambda path, body: (502, b"<html>bad gateway</html>"))
    error = refused(lambda: api.post_to_service("churn", "80", "/", b""))
    assert "<html>bad gateway</html>" in error.message


def test_only_known_kinds_in_their_version_are_sent(api: KubernetesApi, objective: Make) -> None:
    """Before anything is sent."""
    assert "'Gadget'" in refused(lambda: api.get("Gadget", "x")).message
    error = refused(lambda: api.apply({**objective(), "apiVersion": "v1"}))
    assert error.hint == "write 'apiVersion: tidemill.dev/v1alpha1'"
