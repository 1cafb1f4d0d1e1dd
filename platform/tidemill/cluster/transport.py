"""One request to the API server, and what its answer means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from tidemill.cluster.connection import Connection
from tidemill.errors import ClusterError

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_CONNECT_SECONDS = 3
_READ_SECONDS = 30


@dataclass(frozen=True)
class Response:
    """Status and body of an answer, whatever it says."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as an object; empty if it is something else, as proxies' pages are."""
        try:
            parsed = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


def send(
    connection: Connection,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Any = None,
    content_type: str = JSON,
) -> Response:
    """Send `body` (bytes as they are, anything else as JSON) and wait for the answer.

    Raises ClusterError only when there is none.
    """
    import urllib3

    client = connection.client
    headers = {**client.default_headers, "Accept": "application/json, */*"}
    client.update_params_for_auth(headers, [], ["BearerToken"])
    if body is not None:
        headers["Content-Type"] = content_type
        body = body if isinstance(body, bytes) else orjson.dumps(body)
    url = client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
    try:
        answer = client.rest_client.pool_manager.request(
            method,
            url,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        )
    except urllib3.exceptions.HTTPError as error:
        raise _unreachable(client.configuration.host, error) from error
    return Response(answer.status, answer.data)


def _unreachable(server: str, error: Exception) -> ClusterError:
    cause = getattr(error, "reason", None) or error
    return ClusterError(
        f"the cluster at {server} does not answer: {cause}",
        hint="is it running, and does `kubectl cluster-info` reach it with the same context?",
        reason="Unreachable",
    )
