"""V1 REST bodies of recommendations: the short form for curl."""

from __future__ import annotations

from typing import Any

import orjson

from tidemill_serving.errors import RequestError, show
from tidemill_serving.json_body import parse_object
from tidemill_serving.recommendation_query import (
    RecommendationQuery,
    check_rows,
    check_session,
    read_options,
)
from tidemill_serving.recommended import Recommendations
from tidemill_serving.rest_v1 import in_experiment, read_parameters
from tidemill_serving.tensors import check_id


def decode_recommendation(body: bytes) -> RecommendationQuery:
    """`{"instances": ["user", {"user_id": "user"}, {"items": ["a"]}], "parameters": {}}`.

    Raises RequestError.
    """
    fields = parse_object(body, ("instances", "parameters"), only=True)
    instances = fields.get("instances")
    if not isinstance(instances, list):
        raise RequestError(
            f"instances: {show(instances)}", 'send a list of user ids, or of {"items": ["item"]}'
        )
    parameters = read_parameters(fields)
    check_rows(len(instances), "instances")
    users: list[str | None] = []
    sessions: dict[int, list[str]] = {}
    for at, instance in enumerate(instances):
        user, session = _read_instance(instance, f"instances[{at}]")
        users.append(user)
        if session is not None:
            sessions[at] = session
    return RecommendationQuery(users, sessions, read_options(parameters))


def encode_recommendation(answer: Recommendations) -> bytes:
    """The lists of an answer, in the order of its instances."""
    return orjson.dumps(
        in_experiment(answer.exposed, answer.prediction_id, lists_of(answer)),
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def lists_of(answer: Recommendations) -> list[dict[str, Any]]:
    """One object for each user, its items from the first position to the last."""
    return [
        {
            "user_id": user,
            "items": _items(answer, row),
            "model_version": version or None,
            "cold_start": cold,
            "is_cut": cut,
            "fallback": fallback,
        }
        for row, (user, version, cold, cut, fallback) in enumerate(
            zip(
                answer.users,
                answer.versions,
                answer.cold_start.tolist(),
                answer.is_cut.tolist(),
                answer.fallback,
                strict=True,
            )
        )
    ]


def _items(answer: Recommendations, row: int) -> list[dict[str, Any]]:
    length = answer.lengths[row]
    return [
        {"item_id": item, "score": score, "probability": probability}
        for item, score, probability in zip(
            answer.items[row, :length],
            answer.scores[row, :length],
            answer.probabilities[row, :length],
            strict=True,
        )
    ]


def _read_instance(instance: Any, field: str) -> tuple[str | None, list[str] | None]:
    """A user, or a session."""
    if isinstance(instance, dict):
        if set(instance) == {"items"}:
            return None, check_session(instance["items"], f"{field}.items")
        if set(instance) != {"user_id"}:
            raise RequestError(
                f"{field}: has the keys {show(sorted(instance))}",
                'send "user", {"user_id": "user"} or {"items": ["item"]}',
            )
        instance = instance["user_id"]
    check_id(instance, field)
    return instance, None
