"""A stand-in for Kubeflow Pipelines: the v2beta1 API over HTTP, without anything that runs.

It keeps what it is told (pipelines, versions, experiments, runs, recurring runs), answers the way
the real server does as far as clients can tell, writes down every request, and fails on demand.

    with KubeflowStub() as stub:
        Kubeflow(stub.url, "default").ensure_version("training", "v-1", ir)
        stub.fail("POST", "/runs", status=503)
        stub.finish("orders-first", "FAILED", error="no memory left")
"""

from __future__ import annotations

import email
import itertools
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml
from loopback import Loopback

Record = dict[str, Any]
_CODES = {400: 3, 401: 16, 404: 5, 409: 6, 412: 9, 500: 13, 503: 14}
"""gRPC codes, which the gateway writes beside the message."""
_ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    """Decoded JSON, the text of an uploaded file, or None."""
    token: str
    """What stood behind `Bearer`."""


class _Refusal(Exception):  # noqa: N818 - it is an answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class KubeflowStub(Loopback):
    """State and behaviour. With `token`, it is a multi-user installation that asks for it."""

    token: str = ""
    pipelines: list[Record] = field(default_factory=list)
    versions: list[Record] = field(default_factory=list)
    experiments: list[Record] = field(default_factory=list)
    runs: list[Record] = field(default_factory=list)
    recurring_runs: list[Record] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._faults: list[list[Any]] = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.listen(_Handler)

    def run_named(self, name: str) -> Record:
        """The one run of that display name."""
        (found,) = [run for run in self.runs if run["display_name"] == name]
        return found

    def finish(self, name: str, state: str = "SUCCEEDED", error: str = "", step: str = "") -> None:
        """Give a run a state; `error` is the run's own, or that of `step`."""
        run = self.run_named(name)
        run["state"] = state
        status = {"code": 13, "message": error}
        if step:
            task = {"display_name": step, "state": state, "error": status}
            run["run_details"] = {"task_details": [task]}
        elif error:
            run["error"] = status

    def fail(self, method: str, path_part: str, status: int, times: int = 1) -> None:
        """Answer the next `times` matching requests with `status`, before they do anything."""
        self._faults.append([method, path_part, status, times])

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()

    def count(self, method: str, path_part: str) -> int:
        """How many such requests came."""
        return sum(r.method == method and path_part in r.path for r in self.requests)

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and JSON. Called by the HTTP handler."""
        with self._lock:
            self.requests.append(request)
            try:
                self._check(request)
                for method, pattern, verb in _ROUTES:
                    match = re.fullmatch(pattern, request.path)
                    if method == request.method and match:
                        return 200, verb(self, request, *map(unquote, match.groups()))
                raise _Refusal(404, f"Not Found: {request.method} {request.path}")
            except _Refusal as refusal:
                return refusal.status, _error(request, refusal.status, str(refusal))

    def _check(self, request: Request) -> None:
        for fault in self._faults:
            method, part, status, left = fault
            if left and method == request.method and part in request.path:
                fault[3] -= 1
                raise _Refusal(status, "made to fail")
        if self.token and request.token != self.token:
            raise _Refusal(401, "Request header error: there is no valid user identity")

    def _healthz(self, _: Request) -> Record:
        return {"multi_user": bool(self.token)}

    def _list(self, request: Request, field_name: str, records: list[Record]) -> Record:
        matching = [r for r in records if _matches(request.query.get("filter"), r)]
        start = int(request.query.get("page_token") or 0)
        size = min(int(request.query.get("page_size") or 20), 200)
        page: Record = {"total_size": len(matching)}
        if matching:
            page[field_name] = matching[start : start + size]
        if start + size < len(matching):
            page["next_page_token"] = str(start + size)
        return page

    def _owned(self, request: Request, records: list[Record]) -> list[Record]:
        """Those of the namespace asked for; an installation without users ignores it."""
        if not self.token:
            return records
        namespace = request.query.get("namespace")
        if not namespace:
            raise _Refusal(400, "Namespace is empty in multi-user mode")
        return [record for record in records if record.get("namespace") == namespace]

    def _new(self, kind: str, values: Record) -> Record:
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**values, f"{kind}_id": f"{kind}-{next(self._ids)}", "created_at": created}

    def _unique(self, records: list[Record], **values: str) -> None:
        if any(all(r.get(k) == v for k, v in values.items()) for r in records):
            raise _Refusal(409, f"Already exist error: {values}")

    def _list_pipelines(self, request: Request) -> Record:
        return self._list(request, "pipelines", self._owned(request, self.pipelines))

    def _create_pipeline(self, request: Request) -> Record:
        return self._add_pipeline(request.body["display_name"], request.body.get("namespace", ""))

    def _add_pipeline(self, name: str, namespace: str) -> Record:
        self._unique(self.pipelines, display_name=name, namespace=namespace)
        values = {"display_name": name, "name": name, "namespace": namespace}
        self.pipelines.append(self._new("pipeline", values))
        return self.pipelines[-1]

    def _upload_pipeline(self, request: Request) -> Record:
        spec = _specification(request.body)
        name = request.query["name"]
        pipeline = self._add_pipeline(name, request.query.get("namespace", ""))
        self._add_version(pipeline["pipeline_id"], name, spec)
        return pipeline

    def _upload_version(self, request: Request) -> Record:
        spec = _specification(request.body)
        pipeline = _by_id(self.pipelines, "pipeline_id", request.query["pipelineid"])
        return self._add_version(pipeline["pipeline_id"], request.query["name"], spec)

    def _add_version(self, pipeline: str, name: str, spec: Record) -> Record:
        self._unique(self.versions, display_name=name, pipeline_id=pipeline)
        values = {"display_name": name, "name": name, "pipeline_spec": spec}
        made = self._new("pipeline_version", {**values, "pipeline_id": pipeline})
        self.versions.append(made)
        return made

    def _list_versions(self, request: Request, pipeline: str) -> Record:
        owned = [v for v in self.versions if v["pipeline_id"] == pipeline]
        return self._list(request, "pipeline_versions", owned)

    def _list_experiments(self, request: Request) -> Record:
        return self._list(request, "experiments", self._owned(request, self.experiments))

    def _create_experiment(self, request: Request) -> Record:
        name, namespace = request.body["display_name"], request.body.get("namespace", "")
        self._unique(self.experiments, display_name=name, namespace=namespace)
        values = {"display_name": name, "namespace": namespace}
        self.experiments.append(self._new("experiment", values))
        return self.experiments[-1]

    def _list_runs(self, request: Request) -> Record:
        experiment = request.query.get("experiment_id")
        owned = self._owned(request, self.runs)
        chosen = [run for run in owned if experiment in (None, run["experiment_id"])]
        return self._list(request, "runs", chosen)

    def _create_run(self, request: Request) -> Record:
        self.runs.append(self._new("run", {**self._job(request.body), "state": "PENDING"}))
        return self.runs[-1]

    def _get_run(self, _: Request, run_id: str) -> Record:
        return _by_id(self.runs, "run_id", run_id)

    def _terminate_run(self, _: Request, run_id: str) -> Record:
        run = _by_id(self.runs, "run_id", run_id)
        if run["state"] in _ENDED:
            raise _Refusal(412, f"Failed to terminate run {run_id}: it is {run['state']}")
        run["state"] = "CANCELING"
        return {}

    def _list_recurring(self, request: Request) -> Record:
        return self._list(request, "recurringRuns", self._owned(request, self.recurring_runs))

    def _create_recurring(self, request: Request) -> Record:
        cron = request.body["trigger"]["cron_schedule"]["cron"]
        if len(cron.split()) != 6:
            raise _Refusal(400, f"Schedule cron is not supported (six fields): {cron}")
        self.recurring_runs.append(self._new("recurring_run", self._job(request.body)))
        return self.recurring_runs[-1]

    def _delete_recurring(self, _: Request, schedule_id: str) -> Record:
        self.recurring_runs.remove(_by_id(self.recurring_runs, "recurring_run_id", schedule_id))
        return {}

    def _job(self, body: Record) -> Record:
        """What was sent, and its namespace. Experiment and version must exist."""
        experiment = _by_id(self.experiments, "experiment_id", body["experiment_id"])
        if "pipeline_spec" not in body:
            version = body["pipeline_version_reference"]["pipeline_version_id"]
            _by_id(self.versions, "pipeline_version_id", version)
        return {**body, "namespace": experiment["namespace"]}


_API = "/apis/v2beta1"
_ROUTES: list[tuple[str, str, Callable[..., Record]]] = [
    ("GET", f"{_API}/healthz", KubeflowStub._healthz),
    ("GET", f"{_API}/pipelines", KubeflowStub._list_pipelines),
    ("POST", f"{_API}/pipelines", KubeflowStub._create_pipeline),
    ("POST", f"{_API}/pipelines/upload", KubeflowStub._upload_pipeline),
    ("POST", f"{_API}/pipelines/upload_version", KubeflowStub._upload_version),
    ("GET", f"{_API}/pipelines/([^/]+)/versions", KubeflowStub._list_versions),
    ("GET", f"{_API}/experiments", KubeflowStub._list_experiments),
    ("POST", f"{_API}/experiments", KubeflowStub._create_experiment),
    ("GET", f"{_API}/runs", KubeflowStub._list_runs),
    ("POST", f"{_API}/runs", KubeflowStub._create_run),
    ("GET", f"{_API}/runs/([^/:]+)", KubeflowStub._get_run),
    ("POST", f"{_API}/runs/([^/:]+):terminate", KubeflowStub._terminate_run),
    ("GET", f"{_API}/recurringruns", KubeflowStub._list_recurring),
    ("POST", f"{_API}/recurringruns", KubeflowStub._create_recurring),
    ("DELETE", f"{_API}/recurringruns/([^/:]+)", KubeflowStub._delete_recurring),
]


class _Handler(BaseHTTPRequestHandler):
    stub: KubeflowStub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_DELETE = do_GET  # noqa: N815 - the names are the standard library's

    def log_message(self, *_: object) -> None:
        """The requests are kept, not printed."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self._body()
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), body, token)
        status, answer = self.stub.answer(request)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _body(self) -> Any:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = self.headers.get("content-type") or ""
        if kind.startswith("multipart/"):
            message = email.message_from_bytes(f"Content-Type: {kind}\n\n".encode() + data)
            (part,) = message.get_payload()
            return part.get_payload(decode=True).decode()
        return json.loads(data) if data else None


def _matches(text: str | None, record: Record) -> bool:
    """The server's filter, as its SQL has it: without case, and with LIKE's wildcards."""
    for predicate in json.loads(text or "{}").get("predicates", []):
        value, wanted = record[predicate["key"]].lower(), predicate["stringValue"].lower()
        if predicate["operation"] in ("EQUALS", 1):
            holds = value == wanted
        elif predicate["operation"] in ("IS_SUBSTRING", 9):
            like = re.escape(wanted).replace("_", ".").replace("%", ".*")
            holds = re.search(like, value) is not None
        else:
            raise _Refusal(400, f"invalid predicate operation: {predicate['operation']}")
        if not holds:
            return False
    return True


def _by_id(records: list[Record], key: str, value: str) -> Record:
    for record in records:
        if record[key] == value:
            return record
    raise _Refusal(404, f"ResourceNotFoundError: {key} {value} not found")


def _specification(text: str) -> Record:
    try:
        documents = list(yaml.safe_load_all(text))
        documents[0]["pipelineInfo"]
    except (yaml.YAMLError, KeyError, TypeError, IndexError) as error:
        raise _Refusal(400, "Failed to create a pipeline: unknown template format") from error
    names = ("pipeline_spec", "platform_spec")
    return documents[0] if len(documents) == 1 else dict(zip(names, documents, strict=True))


def _error(request: Request, status: int, message: str) -> Record:
    """Uploads have an error format of their own."""
    if "/upload" in request.path:
        return {"error_message": message, "error_details": message}
    return {"error": message, "code": _CODES.get(status, 2), "message": message, "details": []}
