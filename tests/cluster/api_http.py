"""The HTTP side of the API double: from paths, queries and bodies to its objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import yaml
from aiohttp import web
from api_kinds import Kind, Manifest, discover
from api_objects import Change, Objects, Refused, matches, selected

TOKEN = "token-of-the-double"  # noqa: S105 - it guards nothing


@dataclass(frozen=True)
class Target:
    """What a URL path is about."""

    kind: Kind
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


@dataclass
class Fault:
    """Requests that are answered with an error, or with none at all (status 0)."""

    method: str
    path_part: str
    status: int
    times: int
    message: str

    def covers(self, request: web.Request) -> bool:
        is_method = self.method in ("*", request.method)
        return self.times > 0 and is_method and self.path_part in request.path_qs


class Edge:
    """Answers requests, and remembers them."""

    def __init__(self, objects: Objects, anonymous: bool) -> None:
        self.objects = objects
        self._anonymous = anonymous
        self.requests: list[tuple[str, str]] = []
        self.posted: list[tuple[str, str, bytes]] = []
        self.faults: list[Fault] = []
        self.logs: dict[tuple[str, str], str] = {}
        self.services: dict[str, Callable[[str, bytes], tuple[int, bytes]]] = {}
        self._era = 0

    def drop_watches(self) -> None:
        self._era += 1
        for wake in list(self.objects.listeners):
            wake()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        try:
            self._check_token(request)
            self._inject(request)
            return await self._route(request)
        except Refused as refused:
            return _json(_status(refused), refused.status)

    def _check_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").casefold()
        if given != f"Bearer {TOKEN}".casefold() and not (self._anonymous and not given):
            raise Refused(401, "Unauthorized", "Unauthorized")

    def _inject(self, request: web.Request) -> None:
        for fault in self.faults:
            if fault.covers(request):
                fault.times -= 1
                if fault.status == 0 and request.transport is not None:
                    request.transport.abort()
                raise Refused(fault.status or 500, _REASONS.get(fault.status, ""), fault.message)

    async def _route(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/healthz", "/readyz", "/livez"):
            return web.Response(text="ok")
        found = discover(request.path, self.objects.kinds)
        if found is not None:
            return _json(found)
        target = self._target(request.path)
        if target is None:
            return web.Response(status=404, text="404 page not found\n")
        return await self._serve_target(target, request)

    async def _serve_target(self, target: Target, request: web.Request) -> web.StreamResponse:
        if target.subresource == "log":
            return self._log(target, request)
        if target.subresource.startswith("proxy"):
            return self._proxy(target, await request.read())
        if request.method != "GET":
            return await self._write(target, request)
        if request.query.get("watch") in ("true", "1"):
            return await self._watch(target, request)
        return self._read(target, request)

    def _target(self, path: str) -> Target | None:
        root, *rest = path.strip("/").split("/")
        group = rest.pop(0) if root == "apis" and rest else ""
        version = rest.pop(0) if rest else ""
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        plural, name, *below = [*rest, "", ""]
        subresource = "/".join(below).rstrip("/")
        for kind in self.objects.kinds:
            if (kind.group, kind.version, kind.plural) == (group, version, plural):
                is_misplaced = bool(namespace) != kind.namespaced and (name or namespace)
                if is_misplaced or (subresource == "status" and not kind.has_status):
                    return None
                return Target(kind, namespace, name, subresource)
        return None

    def _read(self, target: Target, request: web.Request) -> web.Response:
        if target.name:
            return _json(self.objects.get(target.kind, target.key))
        labels, fields = _selectors(request)
        found = list(selected(self.objects.all(target.kind, target.namespace), labels, fields))
        start, limit = int(request.query.get("continue") or 0), int(request.query.get("limit", 0))
        page = found[start : start + limit] if limit else found[start:]
        after = start + len(page)
        metadata = {"resourceVersion": str(self.objects.revision)}
        if after < len(found):
            metadata["continue"] = str(after)
        same = {"apiVersion": target.kind.api_version, "kind": f"{target.kind.kind}List"}
        return _json({**same, "metadata": metadata, "items": page})

    async def _write(self, target: Target, request: web.Request) -> web.Response:
        raw = await request.read()
        body = _parse(raw) if raw else {}
        objects, kind, key = self.objects, target.kind, target.key
        if request.method == "DELETE":
            if not target.name:
                raise Refused(405, "MethodNotAllowed", "the double deletes by name")
            return _json(objects.delete(kind, key, body))
        patch = request.content_type if request.method == "PATCH" else ""
        if patch == "application/json-patch+json":
            return _json(objects.json_patch(kind, key, body, target.subresource))
        if patch in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            return _json(objects.patch(kind, key, body, target.subresource))
        _check_identity(target, body)
        if request.method == "POST":
            return _json(objects.create(kind, target.namespace, body), 201)
        if request.method == "PUT":
            return _json(objects.update(kind, key, body, target.subresource))
        if patch != "application/apply-patch+yaml":
            raise Refused(415, "UnsupportedMediaType", f"{patch or request.method} is not known")
        manager = request.query.get("fieldManager")
        if not manager:
            raise Refused(400, "BadRequest", "fieldManager is required for apply patch")
        return _json(objects.apply(kind, key, body, manager, target.subresource))

    async def _watch(self, target: Target, request: web.Request) -> web.StreamResponse:
        changed, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        self.objects.listeners.add(wake)
        era, (since, first) = self._era, self._beginning(target, request)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", 3600))):
                for line in first:
                    await response.write(line)
                while since is not None and era == self._era:
                    changed.clear()
                    since = await self._follow(target, request, response, since)
                    await changed.wait()
        except (TimeoutError, ConnectionResetError):
            pass
        finally:
            self.objects.listeners.discard(wake)
        return response

    async def _follow(
        self, target: Target, request: web.Request, response: web.StreamResponse, since: int
    ) -> int:
        """Send what happened after revision `since`; returns the newest revision seen."""
        labels, fields = _selectors(request)
        for change in self.objects.history(target.kind, since):
            since = change.revision
            line = _seen(change, target.namespace, labels, fields)
            if line:
                await response.write(line)
        return since

    def _beginning(self, target: Target, request: web.Request) -> tuple[int | None, list[bytes]]:
        """From which revision to watch, None for an end; and what is sent first."""
        since = int(request.query.get("resourceVersion") or 0)
        if since and since < self.objects.oldest:
            gone = _status(Refused(410, "Expired", "too old resource version"))
            return None, [_line("ERROR", gone)]
        if since:
            return since, []
        with self.objects.lock:
            now = self.objects.revision
            found = self.objects.all(target.kind, target.namespace)
        lines = [_line("ADDED", each) for each in selected(found, *_selectors(request))]
        if request.query.get("sendInitialEvents") == "true":
            lines.append(_line("BOOKMARK", _bookmark(target.kind, now)))
        return now, lines

    def _log(self, target: Target, request: web.Request) -> web.Response:
        self.objects.get(target.kind, target.key)
        container = request.query.get("container", "")
        text = self.logs.get((target.name, container))
        if text is None:
            names = [name for pod, name in self.logs if pod == target.name and name]
            message = f"a container name must be specified for pod {target.name}, choose one of: "
            raise Refused(400, "BadRequest", f"{message}{names}")
        tail = int(request.query.get("tailLines") or 0)
        return web.Response(text="".join(text.splitlines(keepends=True)[-tail:]))

    def _proxy(self, target: Target, body: bytes) -> web.Response:
        service, path = target.name.partition(":")[0], target.subresource.removeprefix("proxy")
        if service not in self.services:
            self.objects.get(target.kind, (target.namespace, service))
            message = f'no endpoints available for service "{service}"'
            raise Refused(503, "ServiceUnavailable", message)
        self.posted.append((service, path, body))
        status, answer = self.services[service](path, body)
        return web.Response(status=status, body=answer, content_type="application/json")


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


def _check_identity(target: Target, body: Manifest) -> None:
    """Path and body must name the same object."""
    kind, metadata = target.kind, body.get("metadata") or {}
    said = body.get("apiVersion", kind.api_version), body.get("kind", kind.kind)
    if said != (kind.api_version, kind.kind):
        raise Refused(400, "BadRequest", f"{said} was sent to {kind.api_version} {kind.kind}")
    if target.name and metadata.get("name", target.name) != target.name:
        raise Refused(400, "BadRequest", "the name of the object does not match the URL")
    if metadata.get("namespace", target.namespace) != target.namespace:
        raise Refused(400, "BadRequest", "the namespace of the object does not match the URL")


def _seen(change: Change, namespace: str, labels: str, fields: str) -> bytes:
    """The watch event for one who looks through selectors; empty when it shows nothing."""
    if namespace not in ("", change.object["metadata"].get("namespace")):
        return b""
    now = matches(change.object, labels, fields)
    before = change.before is not None and matches(change.before, labels, fields)
    if not now and not before:
        return b""
    if change.type == "DELETED" or not now:
        return _line("DELETED", change.object)
    return _line("MODIFIED" if before else "ADDED", change.object)


def _bookmark(kind: Kind, revision: int) -> Manifest:
    ended = {"k8s.io/initial-events-end": "true"}
    metadata = {"resourceVersion": str(revision), "annotations": ended}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _line(type_: str, found: Manifest) -> bytes:
    return orjson.dumps({"type": type_, "object": found}) + b"\n"


def _selectors(request: web.Request) -> tuple[str, str]:
    return request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")


def _parse(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise Refused(400, "BadRequest", f"the body is neither JSON nor YAML: {error}") from error


def _status(refused: Refused) -> Manifest:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": refused.message,
        "reason": refused.reason,
        "details": refused.details or {},
        "code": refused.status,
    }


def _json(value: Any, status: int = 200) -> web.Response:
    body = orjson.dumps(value)
    return web.Response(body=body, status=status, content_type="application/json")
