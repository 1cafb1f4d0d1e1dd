"""V2 REST with JSON tensors."""

import pytest


def test_known_users_get_the_models_score(server, kit):
    """The score is the model applied to the stored vector."""
    scores = server.infer(kit.users_request("u1", "u7", "u42")).column("score")
    wanted = [kit.expected_score(kit.vector_of(number)) for number in (1, 7, 42)]
    assert scores == pytest.approx(wanted, abs=1e-6)


def test_an_unknown_user_gets_the_base_rate(server, kit):
    """Nobody is refused: without features the answer is the population prior, flagged."""
    response = server.infer(kit.users_request("nobody", "u1"))
    assert response.column("score")[0] == 0.04
    assert response.column("cold_start") == [True, False]
    assert response.column("grade")[0] == "D"


def test_a_user_outside_the_population_is_scored_normally(server, kit):
    """u90 was last seen 90 days ago, the rule says 60: still a score, not a cold start."""
    response = server.infer(kit.users_request("u90"))
    assert response.column("cold_start") == [False]
    wanted = kit.expected_score(kit.vector_of(90))
    assert response.column("score") == pytest.approx([wanted], abs=1e-6)


def test_features_of_the_caller_are_scored_as_given(server, kit):
    """Feature rows need no stored user; integers are numbers too."""
    response = server.infer(kit.features_request([[3, 2, 20.5], [50, 0, 0]]))
    assert response.column("cold_start") == [False, False]
    assert response.column("score")[0] > response.column("score")[1]


def test_nested_data_means_the_same_as_flat(server, kit):
    """The protocol allows rows as nested lists."""
    flat = kit.features_request([[3, 2, 20], [5, 1, 0]])
    nested = kit.features_request([[3, 2, 20], [5, 1, 0]])
    nested["inputs"][0]["data"] = [[3, 2, 20], [5, 1, 0]]
    assert server.infer(flat).column("score") == server.infer(nested).column("score")


def test_a_column_of_users_is_accepted(server, kit):
    """[n, 1] is what data frame clients send."""
    request = kit.users_request("u1", "u2")
    request["inputs"][0].update(shape=[2, 1], data=[["u1"], ["u2"]])
    assert server.infer(request).column("score") == server.infer(
        kit.users_request("u1", "u2")
    ).column("score")


def test_only_the_outputs_asked_for_come_back(server, kit):
    """In the order asked for."""
    request = kit.users_request("u1", outputs=[{"name": "grade"}, {"name": "score"}])
    names = [output["name"] for output in server.infer(request).json["outputs"]]
    assert names == ["grade", "score"]


def test_the_id_of_the_request_is_the_prediction_id(server, kit):
    """The caller's id comes back; without one the server makes one."""
    assert server.infer(kit.users_request("u1", id="mine")).json["id"] == "mine"
    made = [server.infer(kit.users_request("u1")).json["id"] for _ in range(2)]
    assert made[0] != made[1]
    assert all(len(one) == 32 for one in made)


def test_the_version_can_be_named(server, kit):
    """/versions/1 is the served version; another one is not found."""
    path = f"/v2/models/{kit.OBJECTIVE}/versions"
    assert server.get(f"{path}/1").status == 200
    assert server.get(f"{path}/1/ready").json["ready"]
    assert server.request("POST", f"{path}/1/infer", '{"inputs": []}').status == 400
    assert server.get(f"{path}/2/ready").status == 404


def test_the_server_describes_itself(server, kit):
    """Live, ready, extensions, and the model's tensors."""
    assert server.get("/v2").json["extensions"] == ["binary_tensor_data"]
    assert server.get("/v2/health/live").json == {"live": True}
    assert server.get("/v2/health/ready").json == {"ready": True}
    document = server.get(f"/v2/models/{kit.OBJECTIVE}").json
    assert document["inputs"][1] == {"name": "features", "datatype": "FP32", "shape": [-1, 3]}
    assert [output["name"] for output in document["outputs"]] == [
        "score",
        "grade",
        "model_version",
        "cold_start",
        "arm",
    ]


def test_a_name_with_escapes_is_read(server, kit):
    """Clients may percent-encode the path."""
    escaped = kit.OBJECTIVE.replace("-", "%2D")
    assert server.get(f"/v2/models/{escaped}/ready").status == 200


def test_many_rows_keep_their_order(server, kit):
    """A batch that leaves the event loop answers row for row like single requests."""
    users = [f"u{number % kit.USERS}" for number in range(9_000)]
    scores = server.infer(kit.users_request(*users)).column("score")
    assert len(scores) == 9_000
    assert scores[:300] == scores[300:600]
    assert scores[4] == server.infer(kit.users_request("u4")).column("score")[0]
