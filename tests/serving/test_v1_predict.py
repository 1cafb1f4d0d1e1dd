"""V1 REST, the form for curl."""

import json

import pytest


@pytest.mark.parametrize("instances", [["u1", "nobody"], [{"user_id": "u1"}, "nobody"]])
def test_instances_become_predictions_in_order(server, kit, instances):
    """Ids may stand alone or in objects, mixed as one likes."""
    path = f"/v1/models/{kit.OBJECTIVE}:predict"
    answer = server.request("POST", path, json.dumps({"instances": instances})).json
    known, unknown = answer["predictions"]
    assert known["user_id"] == "u1"
    assert known["score"] == pytest.approx(kit.expected_score(kit.vector_of(1)), abs=1e-6)
    assert unknown == {
        "user_id": "nobody",
        "score": 0.04,
        "grade": "D",
        "model_version": "1",
        "cold_start": True,
    }
    assert len(answer["prediction_id"]) == 32


def test_models_are_listed(server, kit):
    """GET /v1/models names them, GET /v1/models/NAME says whether it is ready."""
    assert server.get("/v1/models").json == {"models": [kit.OBJECTIVE]}
    state = server.get(f"/v1/models/{kit.OBJECTIVE}").json
    assert state == {"name": kit.OBJECTIVE, "ready": True}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "instances"),
        ({"instances": "u1"}, "instances"),
        ({"instances": []}, "0 rows"),
        ({"instances": [7]}, "instances[0]: 7 is not a string"),
        ({"instances": ["u1", ""]}, "instances[1]"),
        ({"instances": [{"user": "u1"}]}, "'user'"),
        ({"instances": ["x" * 513]}, "513 bytes"),
        ([], "not an object"),
    ],
)
def test_a_bad_body_is_refused_with_the_fault_named(server, kit, body, words):
    """400, the field, the value."""
    response = server.request("POST", f"/v1/models/{kit.OBJECTIVE}:predict", json.dumps(body))
    assert response.status == 400
    assert words in response.json["error"]
