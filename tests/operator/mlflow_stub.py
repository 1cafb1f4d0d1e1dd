"""A stand-in for an MLflow server, where the real one would take ten seconds to start: the four
reads that the operator makes, from facts that are set by hand.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from loopback import Loopback


class MlflowStub(Loopback):
    """`with MlflowStub() as stub:` serves on a free port of the loopback interface."""

    def __init__(self) -> None:
        self.champions: dict[str, str] = {}
        """Objective to version; every version has an AUC of 0.9."""
        self.outcomes: dict[str, str] = {}
        """Objective to the JSON of its newest outcome."""
        self.listen(_Handler)

    def answer(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        """The JSON of one read; None for what does not exist."""
        if path.endswith("registered-models/get") and query["name"] in self.champions:
            alias = {"alias": "champion", "version": self.champions[query["name"]]}
            return {"registered_model": {"creation_timestamp": 1, "aliases": [alias]}}
        if path.endswith("model-versions/get"):
            return {"model_version": {"run_id": "run", "tags": []}}
        if path.endswith("runs/get"):
            return {"run": {"data": {"metrics": [{"key": "auc", "value": 0.9}]}}}
        if path.endswith("experiments/get-by-name") and query["experiment_name"] in self.outcomes:
            value = self.outcomes[query["experiment_name"]]
            return {"experiment": {"tags": [{"key": "tidemill.outcome", "value": value}]}}
        return None


class _Handler(BaseHTTPRequestHandler):
    stub: MlflowStub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        found = self.stub.answer(url.path, dict(parse_qsl(url.query)))
        body = found or {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing"}
        text = json.dumps(body).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
