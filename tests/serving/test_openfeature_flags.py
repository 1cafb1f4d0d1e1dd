"""Arms as feature flags: OpenFeature's own SDK and its OFREP provider against a real server."""

import json

import experiment_kit as trial
import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from tidemill.segments import read_frames

FLAGS = "/ofrep/v1/evaluate/flags"


@pytest.fixture
def running(home, kit, start_server):
    """A server on which an experiment runs in half of a layer, and that experiment."""
    layer = {"name": "pages", "start": "0%", "share": "50%"}
    experiment = trial.start(home, kit.OBJECTIVE, arms=trial.FOUR, layer=layer)
    return start_server(), experiment


@pytest.fixture
def client(running):
    """The SDK as an application has it."""
    api.set_provider(OFREPProvider(f"http://127.0.0.1:{running[0].port}"), "shop")
    yield api.get_client("shop")
    api.clear_providers()


def told(home, kit):
    """Exposures that flags have logged: (user, arm, probability)."""
    frames = read_frames(home.predictions(kit.OBJECTIVE), b"TME1")
    return [
        (user, header["arms"][row], header["arm_probabilities"][row])
        for header, _ in frames
        for row, user in enumerate(header["users"])
    ]


def post(server, path, body, **headers):
    return server.request("POST", path, json.dumps(body), **headers)


def context(user):
    return {"context": {"targetingKey": user, "country": "se"}}


def test_the_sdk_gets_the_arm(client, running, kit):
    """As a string, with the experiment beside it; it is the arm that the server serves."""
    server, experiment = running
    for arm in ("live", "next", "simple", "none"):
        user = trial.user_in(experiment, arm)
        found = client.get_string_details(kit.OBJECTIVE, "?", EvaluationContext(user))
        assert (found.value, found.variant, found.reason) == (arm, arm, Reason.SPLIT)
        assert found.flag_metadata["experiment"] == experiment.name
        served = server.infer(kit.users_request(user))
        assert served.column("arm") == [arm]


def test_to_be_told_is_an_exposure(client, running, home, kit):
    """In the log before the answer, with the arm and its probability."""
    user = trial.user_in(running[1], "next")
    client.get_string_value(kit.OBJECTIVE, "?", EvaluationContext(user))
    assert told(home, kit) == [(user, "next", 0.3)]


def test_who_takes_no_part_gets_the_default_of_the_code(client, running, home, kit):
    """So it is for everybody where no experiment runs."""
    user = trial.user_in(running[1], None)
    found = client.get_string_details(kit.OBJECTIVE, "as ever", EvaluationContext(user))
    assert (found.value, found.reason) == ("as ever", Reason.DEFAULT)
    assert told(home, kit) == [(user, None, None)]


def test_without_an_experiment_the_flag_is_disabled(server, kit):
    """The default of the code again, and nothing is logged."""
    answer = post(server, f"{FLAGS}/{kit.OBJECTIVE}", context("u1"))
    assert answer.json == {"key": kit.OBJECTIVE, "reason": "DISABLED", "variant": ""}
    assert told(server.home, kit) == []


def test_the_sdk_understands_what_is_wrong(client, kit):
    """An unknown flag, a type that it does not have, and nobody to evaluate for."""
    codes = [
        client.get_string_details("unknown", "?", EvaluationContext("u1")).error_code,
        client.get_boolean_details(kit.OBJECTIVE, False, EvaluationContext("u1")).error_code,
        client.get_string_details(kit.OBJECTIVE, "?", EvaluationContext()).error_code,
    ]
    assert codes == [
        ErrorCode.FLAG_NOT_FOUND,
        ErrorCode.TYPE_MISMATCH,
        ErrorCode.TARGETING_KEY_MISSING,
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "PARSE_ERROR"),
        ("[]", 400, "PARSE_ERROR"),
        ("{}", 400, "TARGETING_KEY_MISSING"),
        ('{"context": {"targetingKey": ""}}', 400, "TARGETING_KEY_MISSING"),
        ('{"context": []}', 400, "INVALID_CONTEXT"),
        ('{"context": {"targetingKey": 5}}', 400, "INVALID_CONTEXT"),
        (json.dumps(context("x" * 513)), 400, "INVALID_CONTEXT"),
    ],
)
@pytest.mark.parametrize("path", ["", "/coupon-redemption"])
def test_bad_requests_are_answered_in_the_protocol(server, path, body, status, code):
    """Single and bulk alike: a code for the client and words for its developer."""
    answer = server.request("POST", f"{FLAGS}{path}", body)
    assert (answer.status, answer.json["errorCode"]) == (status, code)
    assert answer.json["errorDetails"]


def test_bulk_evaluates_every_running_experiment(running, kit):
    """For clients that ask once for one user."""
    server, experiment = running
    user = trial.user_in(experiment, "live")
    (flag,) = post(server, FLAGS, context(user)).json["flags"]
    assert (flag["key"], flag["value"]) == (kit.OBJECTIVE, "live")
    assert flag["metadata"] == {
        "experiment": experiment.name,
        "probability": 0.4,
        "serve": "champion",
    }


def test_what_a_client_knows_is_not_sent_again(running, home, kit):
    """304 for the same user, who has been exposed before; another one is told anew."""
    server, experiment = running
    first, second = trial.users_in(experiment, "live")[:2]
    tag = post(server, FLAGS, context(first)).headers["etag"]
    again = post(server, FLAGS, context(first), If_None_Match=f'"x", W/{tag}')
    other = post(server, FLAGS, context(second), If_None_Match=tag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert other.status == 200
    assert [user for user, *_ in told(home, kit)] == [first, second]


def test_what_cannot_be_logged_is_not_told(home, kit, start_server):
    """An exposure that is not counted would make the arms differ from the record."""
    experiment = trial.start(home, kit.OBJECTIVE)
    folder = home.predictions(kit.OBJECTIVE)
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    answer = post(start_server(), f"{FLAGS}/{kit.OBJECTIVE}", context("u1"))
    assert answer.status == 503
    assert "prediction log" in answer.json["errorDetails"]
    assert experiment.name not in answer.body.decode()


def test_flags_are_counted_apart(running, kit):
    """In the server's metrics."""
    server, _ = running
    post(server, f"{FLAGS}/{kit.OBJECTIVE}", context("u1"))
    wanted = f'model="{kit.OBJECTIVE}",protocol="ofrep",code="200"'
    server.wait_for(lambda: wanted in server.get("/metrics").body.decode())
