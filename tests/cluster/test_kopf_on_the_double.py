"""A real kopf operator lives on the API double: what it relies on is really there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import kopf
import pytest

OBJECTIVE = {
    "apiVersion": "tidemill.dev/v1alpha1",
    "kind": "Objective",
    "metadata": {"name": "churn"},
    "spec": {"churn": {"within": "28d"}},
}


@pytest.fixture
def seen() -> list[tuple[str, str]]:
    """What the operator was told, in order: (cause, name)."""
    return []


@pytest.fixture
def operator(api_double: Any, seen: list[tuple[str, str]]) -> Iterator[None]:
    """A small operator in a thread, with its own registry; it also writes a status."""
    registry = kopf.OperatorRegistry()

    def handle(name: str, reason: str, patch: kopf.Patch, **_: object) -> None:
        seen.append((str(reason), name))
        if reason != "delete":
            patch.status["phase"] = "Seen"

    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    for decorator in (kopf.on.create, kopf.on.update, kopf.on.delete):
        decorator("tidemill.dev", "v1alpha1", "objectives", registry=registry)(handle)
    stop = threading.Event()
    settings = kopf.OperatorSettings()
    settings.posting.enabled = True
    settings.watching.reconnect_backoff = 0.05

    def run() -> None:
        kopf.run(
            standalone=True, namespaces=["tidemill"], registry=registry, settings=settings,
            stop_flag=stop, loop=asyncio.new_event_loop(),
        )  # fmt: skip

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.usefixtures("operator")
def test_kopf_sees_create_update_and_delete(
    api_double: Any, seen: list[tuple[str, str]], wait_until: Callable[..., None]
) -> None:
    """With its finalizer: the object is gone only after the handler has run."""
    api_double.put(OBJECTIVE)
    wait_until(lambda: api_double.get("Objective", "churn").get("status") == {"phase": "Seen"})
    api_double.put({**OBJECTIVE, "spec": {"churn": {"within": "7d"}}})
    wait_until(lambda: ("update", "churn") in seen)
    api_double.delete("Objective", "churn")
    wait_until(lambda: api_double.get("Objective", "churn") is None)
    assert seen == [("create", "churn"), ("update", "churn"), ("delete", "churn")]
