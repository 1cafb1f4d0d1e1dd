"""V1 REST bodies: the short form for curl."""

from __future__ import annotations

from typing import Any

import orjson

from tidemill_serving.errors import RequestError, show
from tidemill_serving.json_body import parse_object
from tidemill_serving.predictor import Answer, Query
from tidemill_serving.tensors import check_users


def decode_predict(body: bytes) -> Query:
    """`{"instances": ["user", {"user_id": "user"}]}` as a Query. Raises RequestError."""
    instances = parse_object(body, ["instances"]).get("instances")
    if not isinstance(instances, list):
        raise RequestError(f"instances: {show(instances)}", "send a list of user ids")
    users = [_read_instance(instance, at) for at, instance in enumerate(instances)]
    check_users(users, "instances")
    return Query(users=users)


def encode_predict(answer: Answer) -> bytes:
    """One object for each instance, in order."""
    columns = zip(
        answer.users, answer.scores.tolist(), answer.grades, answer.cold_start.tolist(), strict=True
    )
    predictions = [
        {
            "user_id": user,
            "score": score,
            "grade": grade,
            "model_version": answer.model_version,
            "cold_start": cold,
        }
        for user, score, grade, cold in columns
    ]
    return orjson.dumps({"prediction_id": answer.prediction_id, "predictions": predictions})


def _read_instance(instance: Any, position: int) -> Any:
    if not isinstance(instance, dict):
        return instance
    if set(instance) != {"user_id"}:
        raise RequestError(
            f"instances[{position}]: has the keys {show(sorted(instance))}",
            'send "user" or {"user_id": "user"}',
        )
    return instance["user_id"]
