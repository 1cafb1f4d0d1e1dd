"""Recommendations over V2 REST, V2 gRPC and V1, and what is refused there."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import recommender_kit
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from recommender_kit import CONTEXTS, COUNT, ITEMS, NAME, history_of, logits_of, ranking

NOBODY = ranking(logits_of(None))
U3 = ranking(logits_of(history_of(3)), "i4")


@pytest.fixture(scope="module")
def shop(kit):
    """A server of one recommender and one propensity model."""
    root = Path(tempfile.mkdtemp(prefix="tidemill-recommending-"))
    home = recommender_kit.prepare_home(root)
    kit.fill_store(home)
    kit.promote(home, "1")
    server = kit.Server(home).start()
    yield server
    server.process.kill()
    server.process.wait()
    server.stderr.close()
    shutil.rmtree(root)


def infer(shop, inputs, **fields):
    return shop.infer({"inputs": inputs, **fields}, model=NAME)


def users(*ids):
    return [{"name": "user_id", "datatype": "BYTES", "shape": [len(ids)], "data": list(ids)}]


def sessions(*rows):
    data = [item for row in rows for item in row]
    return [
        {"name": "items", "datatype": "BYTES", "shape": [len(rows), len(rows[0])], "data": data}
    ]


def predict(shop, *instances, **parameters):
    body = {"instances": list(instances)}
    if parameters:
        body["parameters"] = parameters
    return shop.request("POST", f"/v1/models/{NAME}:predict", json.dumps(body))


def test_users_become_lists(shop):
    """Row by row, with the flags of each user."""
    answer = infer(shop, users("u3", "nobody", "u10"), parameters={"k": 3})
    shapes = {output["name"]: output["shape"] for output in answer.json["outputs"]}
    assert shapes == {
        **{key: [3, 3] for key in ("item_id", "score", "probability")},
        **{key: [3] for key in ("model_version", "cold_start", "is_cut", "fallback", "arm")},
    }
    assert answer.column("item_id")[:6] == U3[:3] + NOBODY[:3]
    assert answer.column("cold_start") == [False, True, False]
    assert answer.column("is_cut") == [False, False, True]
    assert answer.column("fallback") == ["", "popular", ""]
    assert answer.column("probability") == [1] * 9
    assert answer.column("model_version") == ["1"] * 3


def test_sessions_become_lists(shop):
    """Empty texts pad a short session; rows may be nested."""
    flat = infer(shop, sessions(["i9", "i30"], ["i12", ""]), parameters={"k": 2})
    assert flat.column("item_id") == ["i9", "i0", "i0", "i1"]
    tensor = sessions(["i9", "i30"], ["i12", ""])
    tensor[0]["data"] = [["i9", "i30"], ["i12", ""]]
    nested = infer(shop, tensor, parameters={"k": 2})
    assert nested.column("item_id") == flat.column("item_id")


@pytest.mark.parametrize("as_text", [False, True])
def test_parameters_may_be_json_text(shop, as_text):
    """As gRPC has to send them."""
    given = {"filters": {"item.brand": "b1", "item.kind": ["odd"]}, "exclude": ["i1", "i9"]}
    if as_text:
        given = {name: json.dumps(value) for name, value in given.items()}
    answer = infer(shop, users("nobody"), parameters={"k": 2, "context": CONTEXTS[0], **given})
    assert answer.column("item_id") == ["i5", "i13"]


def test_the_objective_says_how_many(shop):
    """Without `k`."""
    assert len(infer(shop, users("u3")).column("item_id")) == 5


def test_v1_answers_users_and_sessions(shop):
    """Mixed as one likes, in order."""
    answer = predict(shop, "u3", {"items": ["i30"]}, {"user_id": "nobody"}, k=2).json
    first, second, third = answer["predictions"]
    assert [one["item_id"] for one in first["items"]] == U3[:2]
    assert first["items"][0]["score"] == pytest.approx(0.99955, abs=1e-4)
    assert {key: first[key] for key in first if key != "items"} == {
        "user_id": "u3",
        "model_version": "1",
        "cold_start": False,
        "is_cut": False,
        "fallback": "",
    }
    assert (second["user_id"], second["cold_start"]) == (None, False)
    assert (third["cold_start"], third["fallback"]) == (True, "popular")
    assert len(answer["prediction_id"]) == 32


def test_v1_takes_parameters(shop):
    """The same as V2."""
    filters = {"item.brand": ["b2"]}
    (row,) = predict(shop, "nobody", k=2, filters=filters, exclude=["i2"]).json["predictions"]
    assert [one["item_id"] for one in row["items"]] == ["i6", "i10"]
    assert all(one["probability"] == 1 for one in row["items"])


def test_a_list_that_ends_is_not_padded_in_v1(shop):
    """Only items that are there."""
    gone = [item for item in ITEMS if item not in ("i7", "i8")]
    (row,) = predict(shop, "nobody", exclude=gone).json["predictions"]
    assert [one["item_id"] for one in row["items"]] == ["i7", "i8"]


def test_models_describe_themselves(shop):
    """Inputs and outputs of lists; those of scores are as ever."""
    document = shop.get(f"/v2/models/{NAME}").json
    assert document["inputs"] == [
        {"name": "user_id", "datatype": "BYTES", "shape": [-1]},
        {"name": "items", "datatype": "BYTES", "shape": [-1, -1]},
    ]
    outputs = {one["name"]: (one["datatype"], one["shape"]) for one in document["outputs"]}
    assert outputs["item_id"] == ("BYTES", [-1, -1])
    assert outputs["score"] == ("FP32", [-1, -1])
    assert outputs["fallback"] == ("BYTES", [-1])
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{shop.grpc_port}") as client:
        described = client.get_model_metadata(NAME)
        assert [*described.outputs[0].shape] == [-1, -1]


def test_scores_are_served_beside_lists(shop, kit):
    """One server, one protocol, both kinds."""
    assert shop.infer(kit.users_request("u1")).column("grade")
    assert shop.get("/v1/models").json == {"models": [kit.OBJECTIVE, NAME]}


@pytest.mark.parametrize("binary", [False, True])
def test_triton_http_reads_lists(shop, binary):
    """A client that others wrote, JSON and binary, both ways."""
    client = triton_http.InferenceServerClient(f"127.0.0.1:{shop.port}")
    wanted = triton_http.InferInput("user_id", [2], "BYTES")
    wanted.set_data_from_numpy(np.array([b"u3", b"nobody"], dtype=object), binary_data=binary)
    outputs = [
        triton_http.InferRequestedOutput(name, binary_data=binary)
        for name in ("item_id", "score", "cold_start")
    ]
    parameters = {"k": 4, "filters": '{"item.kind": "odd"}'}
    result = client.infer(NAME, [wanted], outputs=outputs, parameters=parameters)
    names = result.as_numpy("item_id").astype(str).tolist()
    odd = [item for item in U3 if int(item[1:]) % 2][:4]
    assert names == [odd, [item for item in NOBODY if int(item[1:]) % 2][:4]]
    assert result.as_numpy("score").dtype == np.float32
    assert result.as_numpy("cold_start").tolist() == [False, True]
    client.close()


def test_triton_grpc_reads_lists(shop):
    """Sessions too, with parameters as text."""
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{shop.grpc_port}") as client:
        wanted = triton_grpc.InferInput("items", [1, 2], "BYTES")
        wanted.set_data_from_numpy(np.array([[b"i2", b""]], dtype=object))
        parameters = {"k": 3, "exclude": '["i0"]', "context": "south"}
        result = client.infer(NAME, [wanted], parameters=parameters, request_id="mine")
        assert result.as_numpy("item_id").astype(str).tolist() == [["i2", "i1", "i3"]]
        assert result.as_numpy("probability").tolist() == [[1, 1, 1]]
        assert result.as_numpy("fallback").tolist() == [b""]
        assert result.get_response().id == "mine"


def test_users_are_counted_as_before(shop):
    """By model and cold start, and requests by code."""
    infer(shop, users("u3", "nobody"))
    page = shop.get("/metrics").body.decode()
    assert f'tidemill_predictions_total{{model="{NAME}",cold_start="true"}}' in page
    assert f'tidemill_requests_total{{model="{NAME}",protocol="v2",code="200"}}' in page
    assert f'tidemill_model_info{{model="{NAME}",version="1"}} 1' in page


LONG = "x" * 513
BAD_PARAMETERS = {
    "zero": ({"k": 0}, "k: 0 of 40 items; send 1 to 40"),
    "negative": ({"k": -3}, "k: -3"),
    "more than there are": ({"k": COUNT + 1}, "k: 41 of 40 items"),
    "not whole": ({"k": 2.5}, "k: 2.5; send a whole number"),
    "text": ({"k": "5"}, "k: '5'; send a whole number"),
    "flag": ({"k": True}, "k: True"),
    "unknown parameter": ({"filter": {}}, "unknown name 'filter'; send k, filters"),
    "unknown attribute": ({"filters": {"item.colour": "red"}}, "'item.colour'; filter by"),
    "not of items": ({"filters": {"property.brand": "b1"}}, "unknown attribute 'property.brand'"),
    "nothing left": (
        {"filters": {"item.brand": "b1", "item.kind": "even"}},
        "no item on offer has item.brand = ['b1'] and item.kind = ['even']",
    ),
    "unknown value": ({"filters": {"item.brand": ["nike"]}}, "item.brand = ['nike']"),
    "no value": ({"filters": {"item.brand": []}}, "filters: 'item.brand' is []"),
    "number": ({"filters": {"item.brand": 1}}, "filters: 'item.brand' is 1"),
    "numbers": ({"filters": {"item.brand": [1]}}, "filters: 'item.brand' is [1]"),
    "many values": ({"filters": {"item.brand": ["b"] * 101}}, "1 to 100 texts"),
    "many filters": ({"filters": {f"item.{n}": "x" for n in range(17)}}, "filters: 17 attributes"),
    "filters not an object": ({"filters": ["item.brand"]}, "filters: ['item.brand']"),
    "filters not JSON": ({"filters": "{brand}"}, "filters: '{brand}'; send an object of at most"),
    "exclude not a list": ({"exclude": {"i1": 1}}, "exclude: {'i1': 1}"),
    "exclude numbers": ({"exclude": [1]}, "exclude[0]: 1 is not a string"),
    "exclude long": ({"exclude": [LONG]}, "513 bytes"),
    "exclude many": ({"exclude": ["i1"] * 1_001}, "exclude: 1001 items"),
    "one id to exclude": ({"exclude": "i1"}, "exclude: 'i1'; send a list of at most 1000"),
    "a number as text": ({"exclude": "995242"}, "exclude: '995242'; send a list"),
    "context": ({"context": 7}, "context: 7"),
    "long context": ({"context": "x" * 1_025}, "at most 1024"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS, ids=lambda case: case.replace(" ", "-"))
def test_bad_parameters_are_refused_by_name(shop, case):
    """The same words over V2 and V1: the name, the value, the fix."""
    parameters, words = BAD_PARAMETERS[case]
    for response in (
        infer(shop, users("u1"), parameters=parameters),
        predict(shop, "u1", **parameters),
    ):
        assert response.status == 400
        assert words in response.json["error"]


def tensor(name, data, shape, **changes):
    return [{"name": name, "datatype": "BYTES", "shape": shape, "data": data, **changes}]


BAD_INPUTS = {
    "nothing": ([], "exactly once"),
    "both": (users("u1") + sessions(["i1"]), "send 'user_id' or 'items', exactly once"),
    "features": (tensor("features", [1.0], [1, 1], datatype="FP32"), "'features'"),
    "too many users": (tensor("user_id", ["u"] * 1_001, [1_001]), "1001 rows"),
    "no users": (tensor("user_id", [], [0]), "0 rows"),
    "empty user": (users(""), "0 bytes"),
    "flat items": (tensor("items", ["i1"], [1]), "items: shape is [1]; send [n, m]"),
    "no items": (tensor("items", [], [1, 0]), "0 items a row"),
    "wide items": (tensor("items", ["i1"] * 501, [1, 501]), "501 items a row"),
    "many sessions": (tensor("items", ["i1"] * 1_001, [1_001, 1]), "1001 rows"),
    "fewer items": (tensor("items", ["i1"], [1, 2]), "1 values"),
    "number for an item": (tensor("items", [["i1", 2]], [1, 2]), "2 is not a string"),
    "long item": (sessions([LONG]), "513 bytes"),
    "items of numbers": (tensor("items", [7], [1, 1], datatype="INT64"), "'INT64'"),
    "a huge shape": (tensor("items", ["i1"], [2**62, 2]), "rows"),
}


@pytest.mark.parametrize("case", BAD_INPUTS, ids=lambda case: case.replace(" ", "-"))
def test_bad_inputs_are_refused_by_name(shop, case):
    """400 with the field and the value."""
    inputs, words = BAD_INPUTS[case]
    response = infer(shop, inputs)
    assert response.status == 400
    assert words in response.json["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "instances"),
        ({"instances": []}, "0 rows"),
        ({"instances": ["u"] * 1_001}, "1001 rows"),
        ({"instances": [7]}, "instances[0]: 7 is not a string"),
        ({"instances": ["u1", {"user_id": ""}]}, "instances[1]"),
        ({"instances": [{"items": "i1"}]}, "instances[0].items: 'i1'"),
        ({"instances": [{"items": ["i1"] * 501}]}, "501 items"),
        ({"instances": [{"items": [None]}]}, "instances[0].items[0]: None is not a string"),
        ({"instances": [{"items": ["i1"], "user_id": "u1"}]}, "['items', 'user_id']"),
        ({"instances": ["u1"], "parameters": [1]}, "parameters: [1]"),
        ({"instances": ["u1"], "parameters": []}, "parameters: []"),
        ({"instances": ["u1"], "k": 3}, "unknown key 'k'; send instances, parameters"),
    ],
)
def test_a_bad_v1_body_is_refused_by_name(shop, body, words):
    """400, the field, the value."""
    response = shop.request("POST", f"/v1/models/{NAME}:predict", json.dumps(body))
    assert response.status == 400
    assert words in response.json["error"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"k": 99}, "k: 99 of 40"),
        ({"k": 2.0}, "k: 2.0; send a whole number"),
        ({"k": True}, "k: True"),
        ({"exclude": "i1"}, "exclude: 'i1'; send a list"),
        ({"filters": "item.kind=odd"}, "filters: 'item.kind=odd'; send an object"),
        ({"context": 7}, "context: 7"),
        ({"filter": "{}"}, "unknown name 'filter'"),
    ],
)
def test_grpc_refuses_what_rest_refuses(shop, parameters, words):
    """INVALID_ARGUMENT with the same words, whatever type a parameter was sent as."""
    wanted = triton_grpc.InferInput("user_id", [1], "BYTES")
    wanted.set_data_from_numpy(np.array([b"u1"], dtype=object))
    with (
        triton_grpc.InferenceServerClient(f"127.0.0.1:{shop.grpc_port}") as client,
        pytest.raises(triton_grpc.InferenceServerException) as caught,
    ):
        client.infer(NAME, [wanted], parameters=parameters)
    assert words in caught.value.message()
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
