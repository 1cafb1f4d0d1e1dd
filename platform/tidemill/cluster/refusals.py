"""Answers that are not 2xx, in words that say what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidemill.cluster.resources import Resource
from tidemill.cluster.transport import Response
from tidemill.errors import ClusterError

_LONGEST_BODY = 300


@dataclass(frozen=True)
class Request:
    """What was asked for, in the words of RBAC."""

    verb: str
    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def target(self) -> str:
        """`objectives.tidemill.dev/churn in namespace shop`."""
        name = f"/{self.name}" if self.name else ""
        place = f" in namespace {self.namespace}" if self.resource.namespaced else ""
        return f"{self.resource.qualified}{name}{place}"


def is_object_missing(response: Response) -> bool:
    """Whether a 404 is about an object; the other 404 is about a kind that is not served."""
    return response.status == 404 and bool(_details(response).get("name"))


def refusal(request: Request, response: Response) -> ClusterError:
    """The error for an answer that is not 2xx."""
    message, hint = _words(request, response)
    reason = str(response.json().get("reason") or "")
    if response.status == 404 and not is_object_missing(response):
        reason = "KindNotServed"
    return ClusterError(message, hint, status=response.status, reason=reason)


def _words(request: Request, response: Response) -> tuple[str, str | None]:
    said = server_message(response)
    if response.status == 401:
        hint = "log in again; `kubectl auth whoami` tells as whom the cluster sees you"
        return f"the cluster does not accept the credentials ({said})", hint
    if response.status == 403:
        return f"not allowed to {request.verb} {request.target}: {said}", _permission(request)
    if response.status == 404:
        return _missing(request, response, said)
    if response.status == 409:
        return f"conflict: {request.target}: {said}", "read it again and repeat the change"
    if response.status == 422:
        return f"{request.target} is not valid: {_causes(response) or said}", None
    failed = f"{request.verb} {request.target} failed with {response.status}: {said}"
    return failed, "the API server's log says more" if response.status >= 500 else None


def _missing(request: Request, response: Response, said: str) -> tuple[str, str | None]:
    if not is_object_missing(response):
        resource = request.resource
        return (
            f"the cluster does not know {resource.qualified} ({resource.api_version})",
            f"install {resource.comes_with}",
        )
    if _details(response).get("kind") == "namespaces" and request.resource.namespaced:
        return (
            f"there is no namespace {request.namespace}",
            f"choose another with --namespace, or `kubectl create namespace {request.namespace}`",
        )
    return f"not found: {request.target} ({said})", None


def _permission(request: Request) -> str:
    subresource = f" --subresource={request.subresource}" if request.subresource else ""
    place = f" -n {request.namespace}" if request.resource.namespaced else ""
    command = f"kubectl auth can-i {request.verb} {request.resource.qualified}{subresource}{place}"
    return f"ask for this right; `{command}` checks it"


def server_message(response: Response) -> str:
    """What the server said, on one line."""
    found = response.json()
    said = found.get("message") or found.get("error")
    text = str(said or response.body[:_LONGEST_BODY].decode(errors="replace"))
    return " ".join(text.split())


def _causes(response: Response) -> str:
    causes = _details(response).get("causes") or []
    return "; ".join(f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes)


def _details(response: Response) -> dict[str, Any]:
    return response.json().get("details") or {}
