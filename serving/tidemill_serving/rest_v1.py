"""V1 REST bodies: the short form for curl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tidemill.experiments.logged import Exposed
from tidemill_serving.errors import RequestError, show
from tidemill_serving.json_body import parse_object
from tidemill_serving.predictor import Answer
from tidemill_serving.stored_rows import Query
from tidemill_serving.tensors import check_users, refuse_parameters


def decode_predict(body: bytes) -> Query:
    """`{"instances": ["user", {"user_id": "user"}]}` as a Query. Raises RequestError."""
    fields = parse_object(body, ("instances", "parameters"), only=True)
    instances = fields.get("instances")
    refuse_parameters(read_parameters(fields))
    if not isinstance(instances, list):
        raise RequestError(f"instances: {show(instances)}", "send a list of user ids")
    users = [_read_instance(instance, at) for at, instance in enumerate(instances)]
    check_users(users, "instances")
    return Query(users=users)


def read_parameters(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a body, if any. Raises RequestError."""
    parameters = fields.get("parameters")
    if not isinstance(parameters, dict | None):
        raise RequestError(f"parameters: {show(parameters)}", "send an object")
    return parameters or {}


def encode_predict(answer: Answer) -> bytes:
    """One object for each instance, in order."""
    return orjson.dumps(in_experiment(answer.exposed, answer.prediction_id, scores_of(answer)))


def scores_of(answer: Answer) -> list[dict[str, Any]]:
    """One object for each user; score, grade and model version are null for who is given none."""
    columns = zip(
        answer.users,
        answer.scores.tolist(),
        answer.grades,
        answer.versions,
        answer.cold_start.tolist(),
        strict=True,
    )
    return [
        {
            "user_id": user,
            "score": score if grade else None,
            "grade": grade or None,
            "model_version": version or None,
            "cold_start": cold,
        }
        for user, score, grade, version, cold in columns
    ]


def in_experiment(
    exposed: Exposed, prediction_id: str, predictions: list[dict[str, Any]]
) -> dict[str, Any]:
    """The answer, in which each of `predictions` has its arm while an experiment runs."""
    if exposed.experiment is None:
        return {"prediction_id": prediction_id, "predictions": predictions}
    for prediction, arm in zip(predictions, exposed.arms, strict=True):
        prediction["arm"] = arm
    return {
        "prediction_id": prediction_id,
        "experiment": exposed.experiment,
        "predictions": predictions,
    }


def _read_instance(instance: Any, position: int) -> Any:
    if not isinstance(instance, dict):
        return instance
    if set(instance) != {"user_id"}:
        raise RequestError(
            f"instances[{position}]: has the keys {show(sorted(instance))}",
            'send "user" or {"user_id": "user"}',
        )
    return instance["user_id"]
