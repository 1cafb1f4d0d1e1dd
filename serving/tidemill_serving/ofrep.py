"""Arms of experiments as feature flags: OpenFeature's remote evaluation protocol, OFREP.

The flag of an objective is called as the objective is. While its experiment runs, the value is the
name of the user's arm, and to be told it is an exposure: it is in the prediction log before the
answer leaves. Who takes no part, and everybody while no experiment runs, gets no value: the client
goes by its own default.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from tidemill.experiments.logged import encode_assigned, exposed
from tidemill.experiments.running import RunningArm
from tidemill.http.messages import Reply
from tidemill_serving.errors import NotFoundError, RequestError, show
from tidemill_serving.json_body import parse_object
from tidemill_serving.predictor import LogWriteError
from tidemill_serving.repository import Repository, Served
from tidemill_serving.tensors import check_id

TARGET = "targetingKey"


class FlagError(RequestError):
    """An evaluation that fails, with OpenFeature's code for why."""

    def __init__(self, code: str, cause: RequestError) -> None:
        super().__init__(cause.message, cause.hint)
        self.code = code


class Flags:
    """Every objective that is served, as a flag called by the name it is served under."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def one(self, key: str, body: bytes) -> Reply:
        """Evaluate one flag. Raises UnavailableError when the exposure cannot be logged."""
        try:
            told = _tell(self._repository.get(key), _read_user(body))
        except NotFoundError as error:
            return _failure(404, "FLAG_NOT_FOUND", error, key=key)
        except FlagError as error:
            return _failure(400, error.code, error, key=key)
        _log([told])
        return Reply(200, orjson.dumps(_flag(key, told)))

    def every(self, body: bytes, known: str) -> Reply:
        """Evaluate the flags of all running experiments; 304 where `known`, the If-None-Match of
        the request, says that the user was told the same before. Raises as `one` does."""
        try:
            user = _read_user(body)
        except FlagError as error:
            return _failure(400, error.code, error)
        predictors = self._repository.predictors.items()
        told = {name: _tell(served, user) for name, served in predictors if served.arms}
        document = orjson.dumps({"flags": [_flag(name, each) for name, each in told.items()]})
        # With the user: another one in the same arms has not been told anything yet.
        digest = sha256(user.encode() + b"\0" + document).hexdigest()
        tag = ("etag", f'"{digest}"')
        if any(each.strip().removeprefix("W/") == tag[1] for each in known.split(",")):
            return Reply(304, b"", headers=(tag,))
        _log([*told.values()])
        return Reply(200, document, headers=(tag,))


class _Told(NamedTuple):
    """What one user is told of one objective."""

    served: Served
    user: str
    at: int
    """Microseconds since 1970 UTC."""
    experiment: str | None
    arm: RunningArm | None


def _tell(served: Served, user: str) -> _Told:
    now, arms = time.time_ns() // 1_000, served.arms
    if arms is None:
        return _Told(served, user, now, None, None)
    (arm,) = arms.assign([user], now)
    return _Told(served, user, now, arms.experiment.name, arm)


def _flag(key: str, told: _Told) -> dict[str, Any]:
    """The protocol's answer; clients in the field want a variant even where there is no value."""
    if told.experiment is None:
        return {"key": key, "reason": "DISABLED", "variant": ""}
    about: dict[str, Any] = {"experiment": told.experiment}
    if told.arm is None:
        return {"key": key, "reason": "DEFAULT", "variant": "", "metadata": about}
    about |= {"probability": float(told.arm.share), "serve": told.arm.serve}
    name = told.arm.name
    return {"key": key, "reason": "SPLIT", "variant": name, "value": name, "metadata": about}


def _log(told: Sequence[_Told]) -> None:
    for each in told:
        if each.experiment is None:
            continue
        objective = each.served.model.metadata.objective
        to = exposed(each.experiment, [each.arm])
        try:
            each.served.logs.append(encode_assigned(objective, each.at, [each.user], to))
        except OSError as error:
            raise LogWriteError(
                "the prediction log cannot be written, so no arm is told", "try again"
            ) from error


def _read_user(body: bytes) -> str:
    """Whom a request is about. Raises FlagError."""
    try:
        context = parse_object(body, ("context",)).get("context")
    except RequestError as error:
        raise FlagError("PARSE_ERROR", error) from error
    if context is not None and not isinstance(context, dict):
        raise FlagError(
            "INVALID_CONTEXT", RequestError(f"context: {show(context)}", "send an object")
        )
    user = (context or {}).get(TARGET)
    if user is None or user == "":
        missing = RequestError(f"context: no {TARGET}", "send the user's id as the targeting key")
        raise FlagError("TARGETING_KEY_MISSING", missing)
    try:
        check_id(user, TARGET)
    except RequestError as error:
        raise FlagError("INVALID_CONTEXT", error) from error
    return str(user)


def _failure(status: int, code: str, error: RequestError, **about: str) -> Reply:
    document = {**about, "errorCode": code, "errorDetails": str(error)}
    return Reply(status, orjson.dumps(document))
