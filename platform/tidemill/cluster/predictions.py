"""Predictions of a cluster's endpoint, asked for from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from tidemill.cluster.api import KubernetesApi
from tidemill.cluster.objectives import read_predicting
from tidemill.cluster.resources import OBJECTIVE_LABEL
from tidemill.errors import ClusterError

_MODE = "serving.kserve.io/deploymentMode"
_BEHIND_KNATIVE = ("Knative", "Serverless")
_SECONDS = 30.0
_COLUMNS = ("user_id", "score", "grade", "cold_start", "model_version")


def predict_on_cluster(
    api: KubernetesApi, objective: str, users: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per user, in order: user_id, score, grade, cold_start, model_version, and arm while
    an experiment runs; where items are chosen, what the server's V1 protocol says of a user."""
    endpoint = find_endpoint(api, objective)
    path = f"/v1/models/{objective}:predict"
    body = orjson.dumps({"instances": list(users)})
    if endpoint["metadata"].get("annotations", {}).get(_MODE) in _BEHIND_KNATIVE:
        # Its pods may be scaled to nothing, and only Knative's own gateway wakes them.
        answer = _post(_url(endpoint), path, body)
    else:
        service = f"{endpoint['metadata']['name']}-predictor"
        answer = api.post_to_service(service, "80", path, body)
    return _rows(answer)


def _rows(answer: bytes) -> list[dict[str, Any]]:
    try:
        predictions = orjson.loads(answer)["predictions"]
        return [row if "items" in row else _scored(row) for row in predictions]
    except (ValueError, KeyError, TypeError) as error:
        said = answer[:300].decode(errors="replace")
        raise ClusterError(
            f"the endpoint did not answer as Tidemill's server does: {said}",
            hint="is the InferenceService on Tidemill's own runtime?",
        ) from error


def _scored(row: dict[str, Any]) -> dict[str, Any]:
    found = {name: row[name] for name in _COLUMNS}
    return {**found, "arm": row["arm"]} if "arm" in row else found


def find_endpoint(api: KubernetesApi, objective: str) -> dict[str, Any]:
    """The InferenceService that the operator made for an objective."""
    read_predicting(api, objective)
    found = api.list("InferenceService", labels=f"{OBJECTIVE_LABEL}={objective}")
    if not found:
        raise ClusterError(
            f"nothing serves '{objective}' yet",
            hint=f"`tidemill status {objective}` with the same --context says what is missing",
        )
    return found[0]


def _url(endpoint: dict[str, Any]) -> str:
    url = (endpoint.get("status") or {}).get("url")
    if not url:
        raise ClusterError(
            f"InferenceService {endpoint['metadata']['name']} has no URL yet",
            hint="wait until it is Ready: `kubectl get inferenceservices`",
        )
    return str(url)


def _post(url: str, path: str, body: bytes) -> bytes:
    import urllib3

    headers = {"Content-Type": "application/json"}
    try:
        answer = urllib3.request("POST", url + path, body=body, headers=headers, timeout=_SECONDS)
    except urllib3.exceptions.HTTPError as error:
        raise ClusterError(
            f"{url} does not answer: {getattr(error, 'reason', None) or error}",
            hint="can this machine resolve and reach the cluster's gateway?",
        ) from error
    if answer.status != 200:
        said = answer.data[:300].decode(errors="replace")
        raise ClusterError(f"{url} answered {answer.status}: {said}", status=answer.status)
    return answer.data
