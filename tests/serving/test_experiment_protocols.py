"""What callers of the server are told of their users' arms."""

import json

import experiment_kit as trial
import numpy as np
import pytest
import tritonclient.grpc as triton

from tidemill.bundle import RecencyRule


@pytest.fixture
def running(home, kit, start_server):
    """A server on which an experiment of four arms runs, and that experiment."""
    rule = RecencyRule(feature=kit.FEATURES[0], absent=False)
    kit.write_bundle(home.served(kit.OBJECTIVE) / "1", rule=rule)
    kit.write_bundle(home.served(kit.OBJECTIVE) / "2", bias=1.0)
    return start_server(), trial.start(home, kit.OBJECTIVE)


@pytest.fixture
def users(running, kit):
    server, experiment = running
    server.wait_for(lambda: "experiment" in v1(server, kit, "u1"))
    return [trial.user_in(experiment, arm) for arm in ("live", "next", "simple", "none")]


def v1(server, kit, *users):
    body = json.dumps({"instances": list(users)})
    return server.request("POST", f"/v1/models/{kit.OBJECTIVE}:predict", body).json


def test_v1_names_the_experiment_and_each_arm(running, users, kit):
    """An arm that is given nothing has no score, grade or version."""
    answer = v1(running[0], kit, *users)
    assert answer["experiment"] == f"{kit.OBJECTIVE}-1"
    said = [(each["arm"], each["model_version"]) for each in answer["predictions"]]
    assert said == [("live", "1"), ("next", "2"), ("simple", "1"), ("none", None)]
    assert (answer["predictions"][-1]["score"], answer["predictions"][-1]["grade"]) == (None, None)


def test_v2_has_the_arm_as_an_output(running, users, kit):
    """In JSON, a score that is not given is null."""
    answer = running[0].infer(kit.users_request(*users))
    assert answer.column("arm") == ["live", "next", "simple", "none"]
    assert answer.column("model_version") == ["1", "2", "1", ""]
    assert [score is None for score in answer.column("score")] == [False] * 3 + [True]


def test_grpc_has_the_arm_as_an_output(running, users, kit):
    """With a client of another project; a score that is not given is NaN."""
    asked = triton.InferInput("user_id", [4], "BYTES")
    asked.set_data_from_numpy(np.array(users, dtype=np.object_))
    with triton.InferenceServerClient(f"127.0.0.1:{running[0].grpc_port}") as client:
        answer = client.infer(kit.OBJECTIVE, [asked])
    assert answer.as_numpy("arm").tolist() == [b"live", b"next", b"simple", b"none"]
    assert np.isnan(answer.as_numpy("score")).tolist() == [False] * 3 + [True]


def test_a_batch_has_the_arm_as_a_column(running, users, kit):
    """`tidemill predict` answers as the server would."""
    run = kit.run_cli(running[0].home, "predict", kit.OBJECTIVE, *users, "--json")
    assert [row["arm"] for row in json.loads(run.stdout)] == ["live", "next", "simple", "none"]


def test_a_terminal_shows_the_arm(running, users, kit):
    """And no score where none is given."""
    said = kit.run_cli(running[0].home, "predict", kit.OBJECTIVE, *users).stdout
    (line,) = [line for line in said.splitlines() if f" {users[3]} " in line]
    assert "none" in line
    assert "." not in line


def test_outside_experiments_there_is_no_arm(server, kit):
    """V1 says nothing of experiments; V2 has the same outputs always."""
    answer = v1(server, kit, "u1")
    assert set(answer) == {"prediction_id", "predictions"}
    assert "arm" not in answer["predictions"][0]
    assert server.infer(kit.users_request("u1")).column("arm") == [""]
