"""What MLflow knows about an objective, over its REST API: the mlflow package weighs 200 MB."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import Any

from tidemill.errors import TidemillError
from tidemill.operator.outage import Outage
from tidemill.outcome import TrainingOutcome

logger = logging.getLogger("tidemill.operator")

_TIMEOUT_SECONDS = 10.0
_CONNECTIONS = 8
"""One for each worker of the operator, and some."""
_OUTCOME = "tidemill.outcome"
_MEASURES = ("auc", "ndcg", "capture")
_HINTS = {
    401: "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    403: "let this user read experiments and registered models, and let the server answer to this "
    "host name (its option --allowed-hosts)",
}
_HINT = "check the operator's `mlflow` setting, and that the server behind it is MLflow 3"


class ModelRegistryError(TidemillError):
    """MLflow refused a call or was not reached."""


@dataclass(frozen=True)
class Champion:
    """The version that should be live."""

    version: str
    quality: str
    """On its test window: `AUC 0.921`, `NDCG 0.508` where items are chosen, `CAPTURE 0.412` for
    values; empty if unknown."""
    gate: str
    """What the gate said about it."""
    promoted: str
    """Why it was promoted."""


class ModelRegistry:
    """Reads champions and outcomes; safe to share between threads.

    Every method raises ModelRegistryError when MLflow cannot be reached or refuses.
    """

    def __init__(self, url: str) -> None:
        """Credentials come from MLflow's own environment variables."""
        import urllib3  # comes with the Kubernetes client

        self._url = url.rstrip("/")
        self._http = urllib3.PoolManager(
            headers=_authorization(),
            timeout=urllib3.Timeout(total=_TIMEOUT_SECONDS),
            retries=0,
            maxsize=_CONNECTIONS,
        )
        self._outage = Outage()
        # A version's metrics never change, so only a new champion costs more than one call.
        self._champions: dict[str, tuple[str, Champion]] = {}

    def champion(self, objective: str) -> Champion | None:
        """The version with the alias `champion`, None before the first promotion."""
        answer = self._get("registered-models/get", name=objective)
        model = {} if answer is None else answer["registered_model"]
        aliases = {found["alias"]: found["version"] for found in model.get("aliases", [])}
        if "champion" not in aliases:
            return None
        key = f"{model['creation_timestamp']}/{aliases['champion']}"
        known = self._champions.get(objective)
        if known is None or known[0] != key:
            known = key, self._read_champion(objective, aliases["champion"])
            self._champions[objective] = known
        return known[1]

    def outcome(self, objective: str) -> TrainingOutcome | None:
        """What came of the newest training; None when none has ended, or it cannot be read."""
        answer = self._get("experiments/get-by-name", experiment_name=objective)
        text = None if answer is None else _pairs(answer["experiment"]).get(_OUTCOME)
        try:
            return None if text is None else TrainingOutcome.from_json(text)
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("%s: tag %s is not readable: %s", objective, _OUTCOME, error)
            return None

    def _read_champion(self, objective: str, version: str) -> Champion:
        answer = self._get("model-versions/get", name=objective, version=version) or {}
        found = answer.get("model_version", {})
        tags = _pairs(found)
        return Champion(
            version=version,
            quality=self._quality(found.get("run_id", "")),
            gate=tags.get("tidemill.gate", ""),
            promoted=tags.get("tidemill.promoted", ""),
        )

    def _quality(self, run_id: str) -> str:
        answer = self._get("runs/get", run_id=run_id) if run_id else None
        metrics = {} if answer is None else _pairs(answer["run"]["data"], "metrics")
        known = [name for name in _MEASURES if name in metrics]
        return f"{known[0].upper()} {metrics[known[0]]:.3f}" if known else ""

    def _get(self, path: str, **query: str) -> dict[str, Any] | None:
        """The JSON answer; None when MLflow has no such thing."""
        import urllib3

        self._outage.check()
        try:
            answer = self._http.request("GET", f"{self._url}/api/2.0/mlflow/{path}", fields=query)
        except urllib3.exceptions.HTTPError as error:
            message = f"MLflow at {self._url} was not reached: {error}"
            away = ModelRegistryError(message, hint=_HINT)
            self._outage.note(away)
            raise away from error
        body = _read_json(answer.data)
        if answer.status == 404 and body.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        if answer.status != 200 or not body:
            said = body.get("message") or answer.data[:200].decode(errors="replace")
            raise ModelRegistryError(
                f"MLflow at {self._url} answered {answer.status} to {path}: {said}",
                hint=_HINTS.get(answer.status, _HINT),
            )
        return body


def _authorization() -> dict[str, str]:
    import urllib3

    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if user:
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
        return dict(urllib3.make_headers(basic_auth=f"{user}:{password}"))
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"authorization": f"Bearer {token}"} if token else {}


def _read_json(data: bytes) -> dict[str, Any]:
    """The object in `data`; empty for anything else, like a login page."""
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _pairs(entity: dict[str, Any], field: str = "tags") -> dict[str, Any]:
    """MLflow's `[{"key": k, "value": v}]` as a mapping."""
    return {pair["key"]: pair["value"] for pair in entity.get(field, [])}
