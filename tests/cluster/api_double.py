"""A Kubernetes API server for tests: real HTTP, no cluster behind it.

It knows discovery, list and watch, all ways to write, conflicts, finalizers, garbage collection,
pod logs and the service proxy; it does what the controllers of a cluster do nowhere: tests play
those through `put` and `set_status`. It has no schemas (`check` adds a rule), no defaults, and
server-side apply never conflicts.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import orjson
import yaml
from aiohttp import web
from api_http import TOKEN, Edge, Fault
from api_kinds import CUSTOM, Kind, Manifest, definition_of
from api_objects import Objects, Refused
from api_patches import merge_patch

_LARGEST_BODY = 16 * 2**20


class ApiDouble:
    """`with ApiDouble() as server:` serves on a free port of the loopback interface.

    Methods may be called from any thread while it runs. `anonymous` lets in those without a token,
    as kubectl is: it sends none over plain HTTP.
    """

    def __init__(
        self,
        namespaces: Iterable[str] = ("default", "tidemill"),
        kinds: Iterable[Kind] = CUSTOM,
        anonymous: bool = False,
    ) -> None:
        self.url = ""
        self.objects = Objects()
        self._edge = Edge(self.objects, anonymous)
        self.requests = self._edge.requests
        """Method and path with query of every request, in order."""
        self.posted = self._edge.posted
        """Service, path and body of every request through the service proxy."""
        for namespace in namespaces:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for kind in kinds:
            self.serve(kind.kind)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[ready], daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be away from now on."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(10)

    def kubeconfig(self, path: Path, namespace: str = "tidemill", token: str = TOKEN) -> Path:
        """Write a kubeconfig file with one context, `double`."""
        context = {"cluster": "double", "user": "double", "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "double",
            "clusters": [{"name": "double", "cluster": {"server": self.url}}],
            "contexts": [{"name": "double", "context": context}],
            "users": [{"name": "double", "user": {"token": token}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def put(self, manifest: Manifest) -> Manifest:
        """Make the object be like this; its status too if given. What others put into its
        metadata stays."""
        kind = self._kind(manifest["kind"])
        metadata = manifest["metadata"]
        place = (metadata.get("namespace") or "tidemill") if kind.namespaced else ""
        with self.objects.lock:
            before = self.get(kind.kind, metadata["name"], place)
            if before is None:
                found = self.objects.create(kind, place, manifest)
            else:
                merged = {**manifest, "metadata": merge_patch(before["metadata"], metadata)}
                found = self.objects.update(kind, (place, metadata["name"]), merged)
            if kind.has_status and "status" in manifest:
                return self.set_status(kind.kind, metadata["name"], manifest["status"], place)
            return found

    def set_status(
        self, kind: str, name: str, status: Manifest, namespace: str = "tidemill"
    ) -> Manifest:
        """Replace the status, as the kind's controller would."""
        found = self._kind(kind)
        key = (namespace if found.namespaced else "", name)
        return self.objects.update(found, key, {"status": status}, "status")

    def get(self, kind: str, name: str, namespace: str = "tidemill") -> Manifest | None:
        """The object as it is, not counted as a request; a copy."""
        found = self._kind(kind)
        try:
            return _copy(self.objects.get(found, (namespace if found.namespaced else "", name)))
        except Refused:
            return None

    def list(self, kind: str, namespace: str = "") -> Any:
        """All objects of a kind, not counted as a request; copies."""
        return [_copy(found) for found in self.objects.all(self._kind(kind), namespace)]

    def delete(self, kind: str, name: str, namespace: str = "tidemill") -> None:
        """As `kubectl delete`: finalizers are waited for, dependents follow."""
        found = self._kind(kind)
        self.objects.delete(found, (namespace if found.namespaced else "", name))

    def serve(self, kind: str) -> None:
        """Install the definition of one of the CUSTOM kinds."""
        self.put(definition_of(next(each for each in CUSTOM if each.kind == kind)))

    def withdraw(self, kind: str) -> None:
        """Remove a custom kind with its objects, as uninstalling it would."""
        self.objects.delete(
            self._kind("CustomResourceDefinition"), ("", self._kind(kind).qualified)
        )

    def check(self, kind: str, rule: Callable[[Manifest], Mapping[str, str]]) -> None:
        """Refuse (422) objects for which the rule returns problems, by field."""
        self.objects.checks[kind] = rule

    def fail(
        self, method: str, path_part: str, status: int, times: int = 1, message: str = "injected"
    ) -> None:
        """Answer the next `times` requests of this kind with an error; status 0 hangs up.

        `method` may be "*"; `path_part` is looked for in the path with its query.
        """
        self._edge.faults.append(Fault(method, path_part, status, times, message))

    def heal(self) -> None:
        """End all faults."""
        self._edge.faults.clear()

    def drop_watches(self, gone: bool = False) -> None:
        """Break all watches; with `gone` their resourceVersions are too old from now on."""
        if gone:
            self.objects.forget_history()
        self._edge.drop_watches()

    def count(self, method: str = "*", path_part: str = "") -> int:
        """How many such requests came so far."""
        return sum(
            method in ("*", found) and path_part in path for found, path in list(self.requests)
        )

    def log(self, pod: str, text: str, container: str = "") -> None:
        """What a container of a pod has printed."""
        self._edge.logs[pod, container] = text

    def service(self, name: str, answer: Callable[[str, bytes], tuple[int, bytes]]) -> None:
        """Answer posts through the service proxy: (path, body) to (status, body)."""
        self._edge.services[name] = answer

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._edge.answer)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await self._stopped.wait()
        self.drop_watches()
        await runner.cleanup()

    def _kind(self, name: str) -> Kind:
        found = next((kind for kind in self.objects.kinds if kind.kind == name), None)
        assert found is not None, f"the double does not serve {name}"
        return found


def _copy(found: Manifest) -> Any:
    return orjson.loads(orjson.dumps(found))
