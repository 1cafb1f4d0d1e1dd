"""The API double behaves like an API server where our code relies on it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from api_http import TOKEN

from tidemill.cluster import KubernetesApi

Make = Callable[..., dict[str, Any]]
OBJECTIVES = "/apis/tidemill.dev/v1alpha1/namespaces/tidemill/objectives"


def watch(server: Any, query: str = "") -> Iterator[tuple[str, str]]:
    """Watch objectives from now on: (type, name) of every event, until the server ends it."""
    response = urllib3.request(
        "GET",
        f"{server.url}{OBJECTIVES}?watch=true{query}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        preload_content=False,
        timeout=5,
        retries=False,
    )
    return map(named, response)


def named(line: bytes) -> tuple[str, str]:
    event = json.loads(line)
    found = event["object"]
    return event["type"], found["reason"] if event["type"] == "ERROR" else found["metadata"]["name"]


def config_map(name: str, owner: dict[str, Any]) -> dict[str, Any]:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    metadata = {"name": name, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_a_watch_begins_with_what_is_there(api_double: Any, objective: Make) -> None:
    """Then everything that happens, in order."""
    api_double.put(objective("a"))
    events = watch(api_double)
    assert next(events) == ("ADDED", "a")
    api_double.put(objective("a", within="7d"))
    api_double.delete("Objective", "a")
    assert [next(events), next(events)] == [("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_goes_on_where_it_ended(api_double: Any, objective: Make) -> None:
    """Nothing is lost between a list and a watch, or between two watches."""
    first = api_double.put(objective("a"))
    api_double.put(objective("b"))
    since = first["metadata"]["resourceVersion"]
    assert next(watch(api_double, f"&resourceVersion={since}")) == ("ADDED", "b")


def test_a_watch_from_too_long_ago_is_told(api_double: Any, objective: Make) -> None:
    """It has to list again."""
    api_double.put(objective("a"))
    api_double.drop_watches(gone=True)
    assert list(watch(api_double, "&resourceVersion=1")) == [("ERROR", "Expired")]


def test_a_watch_through_a_selector_sees_objects_come_and_go(
    api_double: Any, objective: Make
) -> None:
    """By their labels."""
    events = watch(api_double, "&labelSelector=team%3Da")
    api_double.put(objective("x", labels={"team": "b"}))
    api_double.put(objective("y", labels={"team": "a"}))
    api_double.put(objective("y", labels={"team": "b"}))
    assert [next(events), next(events)] == [("ADDED", "y"), ("DELETED", "y")]


def test_watches_end_when_dropped_or_timed_out(api_double: Any) -> None:
    """As they do on every cluster, sooner or later."""
    assert list(watch(api_double, "&timeoutSeconds=0.05")) == []
    threading.Timer(0.2, api_double.drop_watches).start()
    assert list(watch(api_double)) == []


def test_finalizers_hold_an_object_until_they_are_gone(api: KubernetesApi, objective: Make) -> None:
    """It is marked meanwhile."""
    api.create(objective(finalizers=["tidemill.dev/cleanup"]))
    api.delete("Objective", "churn")
    found = api.get("Objective", "churn")
    assert found is not None
    assert "deletionTimestamp" in found["metadata"]
    api.patch("Objective", "churn", {"metadata": {"finalizers": []}})
    assert api.get("Objective", "churn") is None


def test_dependents_follow_their_owner(api: KubernetesApi, objective: Make) -> None:
    """Only when the last owner is gone; and those of an owner that never was, at once."""
    first, second = api.create(objective("a")), api.create(objective("b"))
    shared = config_map("shared", first)
    shared["metadata"]["ownerReferences"] += config_map("", second)["metadata"]["ownerReferences"]
    api.create(shared)
    api.create(config_map("own", first))
    api.delete("Objective", "a")
    assert api.get("ConfigMap", "own") is None
    assert api.get("ConfigMap", "shared") is not None
    api.delete("Objective", "b")
    assert api.list("ConfigMap") == []
    api.create(config_map("orphan", first))
    assert api.get("ConfigMap", "orphan") is None


def test_a_change_of_the_spec_is_a_new_generation(api: KubernetesApi, objective: Make) -> None:
    """Labels are not; and what changes nothing makes no new version."""
    before = api.apply(objective())
    assert api.apply(objective())["metadata"] == before["metadata"]
    assert api.apply(objective(labels={"a": "b"}))["metadata"]["generation"] == 1
    assert api.apply(objective(within="7d"))["metadata"]["generation"] == 2


def test_faults_end_after_their_times(api: KubernetesApi, api_double: Any) -> None:
    """The rest works."""
    api_double.fail("GET", "configmaps", 500, times=2)
    for _ in range(2):
        with pytest.raises(Exception, match="500"):
            api.list("ConfigMap")
    assert api.list("ConfigMap") == []
    assert api_double.count("GET", "configmaps") == 3


def test_a_thousand_objectives_are_listed_at_once(
    api: KubernetesApi, api_double: Any, objective: Make
) -> None:
    """Operators are measured on it, not it."""
    for number in range(1000):
        api_double.put(objective(f"o{number}"))
    started = time.monotonic()
    assert len(api.list("Objective")) == 1000
    assert time.monotonic() - started < 1
