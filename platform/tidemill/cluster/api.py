"""The few verbs that Tidemill needs of a Kubernetes API server, on plain dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from tidemill.cluster.connection import Connection, open_connection
from tidemill.cluster.refusals import Request, is_object_missing, refusal
from tidemill.cluster.resources import resource_of, resource_of_manifest
from tidemill.cluster.transport import APPLY_PATCH, JSON, MERGE_PATCH, Response, send

Manifest = dict[str, Any]
Manifests = list[Manifest]
_PAGE = 500


class KubernetesApi:
    """One cluster and a namespace in it. Safe to share between threads.

    Every verb raises ClusterError, with the HTTP status, when the server refuses or is not there.
    Verbs take the kind by name and work in `namespace` unless told otherwise.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.namespace = connection.namespace
        """Given, or the context's, or the pod's own, or "default"."""

    @classmethod
    def connect(cls, context: str | None = None, namespace: str | None = None) -> Self:
        """Use a context of the kubeconfig, its current one, or the pod's service account.

        Without a context, files named by KUBECONFIG (or ~/.kube/config) come first, then the
        service account; the context `in-cluster` is the service account. Nothing is sent yet.
        """
        return cls(open_connection(context, namespace))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """The object, or None where there is none. A kind that is not served is an error."""
        response, request = self._ask("get", kind, namespace, name)
        if is_object_missing(response):
            return None
        return _object(request, response)

    def list(self, kind: str, namespace: str | None = None, labels: str = "") -> Manifests:
        """All objects of the kind that match the label selector."""
        items: Manifests = []
        query = {"limit": str(_PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            response, request = self._ask("list", kind, namespace, query=query)
            page = _object(request, response)
            items += page.get("items") or []
            query["continue"] = page.get("metadata", {}).get("continue") or ""
            if not query["continue"]:
                break
        # Lists of the server leave out what is the same for all.
        same = {"apiVersion": resource_of(kind).api_version, "kind": kind}
        return [{**same, **item} for item in items]

    def apply(self, manifest: Manifest, manager: str = "tidemill") -> Manifest:
        """Server-side apply: make the object have these fields, whoever else wrote them.

        Unknown fields are refused. Fields this manager applied before and now leaves out go.
        """
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return self._write("patch", manifest, query=query, content_type=APPLY_PATCH)

    def create(self, manifest: Manifest) -> Manifest:
        """A new object; status 409 when it exists."""
        return self._write("create", manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        """The whole object anew; status 409 when its resourceVersion is not the newest."""
        return self._write("update", manifest)

    def patch(
        self,
        kind: str,
        name: str,
        patch: Mapping[str, Any],
        *,
        namespace: str | None = None,
        subresource: str = "",
    ) -> Manifest:
        """JSON merge patch; a resourceVersion in its metadata makes it conditional (409)."""
        response, request = self._ask(
            "patch", kind, namespace, name, subresource, body=dict(patch), content_type=MERGE_PATCH
        )
        return _object(request, response)

    def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete it, its dependents follow in the background; False where there is none."""
        body = {"propagationPolicy": "Background"}
        response, request = self._ask("delete", kind, namespace, name, body=body)
        if is_object_missing(response):
            return False
        _object(request, response)
        return True

    def groups(self) -> set[str]:
        """Names of the API groups served, as "serving.kserve.io"; the core has none."""
        response = send(self._connection, "GET", "/apis")
        found = _object(Request("get", resource_of("CustomResourceDefinition"), ""), response)
        return {group["name"] for group in found.get("groups", [])}

    def pod_log(
        self, pod: str, *, container: str = "", tail: int = 200, namespace: str | None = None
    ) -> str:
        """The last `tail` lines of a container; of the only one when none is named."""
        query = {"tailLines": str(tail)} | ({"container": container} if container else {})
        response, request = self._ask("get", "Pod", namespace, pod, "log", query=query)
        return _body(request, response).decode(errors="replace")

    def post_to_service(
        self, service: str, port: str, path: str, body: bytes, namespace: str | None = None
    ) -> bytes:
        """POST JSON to a Service through the API server; needs no way into the cluster's network.

        `port` is a number or a name.
        """
        subresource = f"proxy/{path.lstrip('/')}"
        target = f"{service}:{port}"
        response, request = self._ask(
            "create", "Service", namespace, target, subresource, body=body
        )
        return _body(request, response)

    def _write(
        self,
        verb: str,
        manifest: Manifest,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
    ) -> Manifest:
        resource_of_manifest(manifest)
        metadata = manifest["metadata"]
        response, request = self._ask(
            verb,
            manifest["kind"],
            metadata.get("namespace"),
            "" if verb == "create" else metadata["name"],
            query=query,
            body=manifest,
            content_type=content_type,
        )
        return _object(request, response)

    def _ask(
        self,
        verb: str,
        kind: str,
        namespace: str | None,
        name: str = "",
        subresource: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> tuple[Response, Request]:
        resource = resource_of(kind)
        place = namespace or self.namespace
        response = send(
            self._connection,
            _METHODS[verb],
            resource.path(place, name, subresource),
            query=query,
            body=body,
            content_type=content_type,
        )
        return response, Request(verb, resource, place, name, subresource.partition("/")[0])


_METHODS = {
    "get": "GET",
    "list": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
"""What RBAC calls a verb, and what HTTP does."""


def _object(request: Request, response: Response) -> Manifest:
    _body(request, response)
    return response.json()


def _body(request: Request, response: Response) -> bytes:
    if not response.is_success:
        raise refusal(request, response)
    return response.body
