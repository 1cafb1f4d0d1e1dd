"""REST: from path and body to a reply. Pure but for the predictors; the wire is tidemill.http."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any
from urllib.parse import unquote

import numpy as np
import orjson

from tidemill import __version__
from tidemill.http.exposition import CONTENT_TYPE
from tidemill.http.messages import JSON, Reply, Request
from tidemill_serving import rest_v2
from tidemill_serving.errors import (
    MediaTypeError,
    MethodError,
    NotFoundError,
    RequestError,
    show,
)
from tidemill_serving.forms import form_of
from tidemill_serving.metrics import Metrics
from tidemill_serving.ofrep import Flags
from tidemill_serving.predictor import LogWriteError
from tidemill_serving.recommender import Recommender
from tidemill_serving.recommender_model import Found
from tidemill_serving.repository import Answered, Repository, Served
from tidemill_serving.turns import Turns

logger = logging.getLogger("tidemill.serving")

BINARY = "application/octet-stream"
_PROTOCOLS = ("v1", "v2", "ofrep")
HEADER_LENGTH = "inference-header-content-length"


class App:
    """Every REST route. Raises nothing: each fault becomes a reply."""

    def __init__(self, repository: Repository, metrics: Metrics) -> None:
        self._repository = repository
        self._metrics = metrics
        self._turns = Turns()
        self._flags = Flags(repository)

    def answer(self, request: Request) -> Reply | Awaitable[Reply]:
        try:
            reply = self._route(request)
        except Exception as error:  # one request may fail, the server may not
            return _fault_reply(request, error)
        return reply if isinstance(reply, Reply) else _without_fault(request, reply)

    def refuse(self, path: str, status: int, message: str) -> Reply:  # noqa: ARG002  # one form
        return error_reply(status, message)

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        model, protocol = self.labels(path)
        self._metrics.answered(model, protocol, str(status), seconds)

    def labels(self, path: str) -> tuple[str, str]:
        """(model, protocol) of a path, for counting; empty when not one that is served."""
        segments = path.split("/")
        protocol = segments[1] if len(segments) > 1 and segments[1] in _PROTOCOLS else "other"
        at = 5 if protocol == "ofrep" else 3
        name = segments[at].partition(":")[0] if len(segments) > at else ""
        return (name if name in self._repository.predictors else ""), protocol

    def _route(self, request: Request) -> Reply | Awaitable[Reply]:
        segments = request.path.rstrip("/").split("/")[1:]
        if "%" in request.path:
            segments = [unquote(segment) for segment in segments]
        match segments:
            case ["v2", "models", name, "versions", version, *rest]:
                return self._v2_model(request, name, version, rest)
            case ["v2", "models", name, *rest]:
                return self._v2_model(request, name, None, rest)
            case ["v1", "models", name] if name.endswith(":predict"):
                return self._predict(_only(request, "POST"), name.removesuffix(":predict"))
            case ["v1", "models", name]:
                _only(request, "GET")
                self._repository.get(name)
                return _reply({"name": name, "ready": self._repository.ready})
            case ["ofrep", "v1", "evaluate", "flags", *key]:
                return self._evaluate(_only(request, "POST"), key)
            case _:
                return self._server_route(request, segments)

    def _server_route(self, request: Request, segments: list[str]) -> Reply:
        known = {
            "v2": self._describe,
            "v2/health/live": lambda: _reply({"live": True}),
            "v2/health/ready": self._ready,
            "v1/models": lambda: _reply({"models": list(self._repository.predictors)}),
            "metrics": self._render_metrics,
        }.get("/".join(segments))
        if known is None:
            raise NotFoundError(
                f"path: {show(request.path)} does not exist", "see GET /v2 and GET /v1/models"
            )
        _only(request, "GET")
        return known()

    def _v2_model(
        self, request: Request, name: str, version: str | None, rest: list[str]
    ) -> Reply | Awaitable[Reply]:
        if rest == ["infer"]:
            return self._infer(_only(request, "POST"), self._repository.get(name, version))
        if rest not in ([], ["ready"]):
            raise NotFoundError(
                f"path: {show(request.path)} does not exist", "end it with /ready or /infer"
            )
        _only(request, "GET")
        predictor = self._repository.get(name, version)
        if rest:
            return self._ready(name)
        return _reply(rest_v2.describe_model(predictor))

    def _infer(self, request: Request, predictor: Served) -> Reply | Awaitable[Reply]:
        header_length = _header_length(request)
        _check_content_type(request, (JSON,) if header_length is None else (JSON, BINARY))
        infer = rest_v2.decode_infer(request.body, header_length, predictor)
        form = form_of(predictor)

        def write(answer: Any) -> Reply:
            body, json_length = rest_v2.encode_infer(answer, infer.outputs, form)
            if json_length is None:
                return Reply(200, body)
            return Reply(200, body, BINARY, ((HEADER_LENGTH, str(json_length)),))

        return self._ask(predictor, infer.query, infer.id, write)

    def _predict(self, request: Request, name: str) -> Reply | Awaitable[Reply]:
        predictor = self._repository.get(name)
        _check_content_type(request, (JSON,))
        form = form_of(predictor)
        query = form.read_v1(request.body)
        return self._ask(predictor, query, None, lambda answer: Reply(200, form.write_v1(answer)))

    def _ask(
        self,
        served: Served,
        query: Any,
        prediction_id: str | None,
        write: Callable[[Any], Reply],
    ) -> Reply | Awaitable[Reply]:
        """The reply, or what becomes it where a search would keep other connections waiting."""
        if not isinstance(served, Recommender):
            return write(ask(served, query, prediction_id, self._metrics))
        parts = served.prepare(query)

        def finish(found: Sequence[Found]) -> Reply:
            lists = counted(
                served, self._metrics, lambda: served.finish(parts, found, prediction_id)
            )
            return write(lists)

        pending = served.submit(parts)
        if pending is None:
            return self._finish_in_turn(lambda: finish(served.search(parts)))
        return _finish_later(pending, finish)

    async def _finish_in_turn(self, finish: Callable[[], Reply]) -> Reply:
        await self._turns.take()
        return finish()

    def _evaluate(self, request: Request, key: list[str]) -> Reply:
        try:
            _check_content_type(request, (JSON,))
            if key:
                return self._flags.one("/".join(key), request.body)
            return self._flags.every(request.body, request.headers.get("if-none-match", ""))
        except RequestError as error:
            return _reply({"errorDetails": str(error)}, error.status)

    def _ready(self, name: str | None = None) -> Reply:
        ready = self._repository.ready
        state = {"ready": ready} if name is None else {"name": name, "ready": ready}
        return _reply(state, 200 if ready else 503)

    def _describe(self) -> Reply:
        return _reply(
            {"name": "tidemill", "version": __version__, "extensions": rest_v2.EXTENSIONS}
        )

    def _render_metrics(self) -> Reply:
        models = [
            (name, predictor.model.version)
            for name, predictor in self._repository.predictors.items()
        ]
        return Reply(200, self._metrics.render(models).encode(), CONTENT_TYPE)


def ask(served: Served, query: Any, prediction_id: str | None, metrics: Metrics) -> Answered:
    """Answer a question of the model's kind, and count."""
    return counted(served, metrics, lambda: served.predict(query, prediction_id))


def counted(served: Served, metrics: Metrics, predict: Callable[[], Answered]) -> Answered:
    """What `predict` returns, counted. What cannot be logged is refused, and its cause logged."""
    try:
        answer = predict()
    except LogWriteError as error:
        metrics.log_failed(served.model.name)
        logger.error("%s: prediction refused: %s", served.model.name, error.__cause__)
        raise
    cold = int(np.count_nonzero(answer.cold_start))
    metrics.predicted(served.model.name, len(answer.users), cold)
    return answer


async def _finish_later(
    pending: Sequence[Future[Found]], finish: Callable[[Sequence[Found]], Reply]
) -> Reply:
    return finish([await asyncio.wrap_future(each) for each in pending])


async def _without_fault(request: Request, pending: Awaitable[Reply]) -> Reply:
    try:
        return await pending
    except Exception as error:  # one request may fail, the server may not
        return _fault_reply(request, error)


def _fault_reply(request: Request, error: Exception) -> Reply:
    """What went wrong, as far as it is the caller's to know; no internals leave the server."""
    if isinstance(error, MethodError):
        reply = error_reply(error.status, str(error))
        return reply._replace(headers=(("allow", error.allowed),))
    if isinstance(error, RequestError):
        return error_reply(error.status, str(error))
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return error_reply(500, "internal error; the server's log has the cause")


def error_reply(status: int, message: str) -> Reply:
    """A fault in the protocol's form."""
    return _reply({"error": message}, status)


def _reply(document: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(document))


def _only(request: Request, method: str) -> Request:
    if request.method != method:
        raise MethodError(request.method, request.path, method)
    return request


def _header_length(request: Request) -> int | None:
    value = request.headers.get(HEADER_LENGTH)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise RequestError(
            f"Inference-Header-Content-Length: {show(value)}", "send a positive integer"
        )
    return int(value)


def _check_content_type(request: Request, accepted: tuple[str, ...]) -> None:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise MediaTypeError(f"Content-Encoding: {show(encoding)}", "send the body uncompressed")
    sent = request.headers.get("content-type", JSON)
    if sent != JSON and sent.partition(";")[0].strip().lower() not in accepted:
        hint = f"send {' or '.join(accepted)}"
        if sent == BINARY:
            hint += ", or add Inference-Header-Content-Length"
        raise MediaTypeError(f"Content-Type: {show(sent)}", hint)
