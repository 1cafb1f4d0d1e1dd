"""A fault of the caller is 4xx, names the field, and leaves the connection usable."""

import json
import struct

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc


def tensor(**changes):
    return {"name": "user_id", "datatype": "BYTES", "shape": [1], "data": ["u1"], **changes}


def features(**changes):
    return {
        "name": "features",
        "datatype": "FP32",
        "shape": [1, 3],
        "data": [1.0, 2.0, 3.0],
        **changes,
    }


BAD_DOCUMENTS = {
    "no inputs": ({}, "inputs"),
    "inputs not a list": ({"inputs": {}}, "inputs"),
    "inputs of numbers": ({"inputs": [1]}, "inputs"),
    "empty inputs": ({"inputs": []}, "exactly once"),
    "unknown input": ({"inputs": [tensor(name="age")]}, "'age'"),
    "twice the same": ({"inputs": [tensor(), tensor()]}, "exactly once"),
    "both inputs": ({"inputs": [tensor(), features()]}, "exactly once"),
    "no name": ({"inputs": [{"shape": [1], "data": []}]}, "inputs.name"),
    "no shape": ({"inputs": [tensor(shape=None)]}, "inputs.shape"),
    "no data": ({"inputs": [tensor(data=None)]}, "inputs.data"),
    "negative shape": ({"inputs": [tensor(shape=[-1])]}, "[-1]"),
    "shape of text": ({"inputs": [tensor(shape=["1"])]}, "inputs.shape"),
    "shape of booleans": ({"inputs": [tensor(shape=[True])]}, "inputs.shape"),
    "empty shape": ({"inputs": [tensor(shape=[])]}, "user_id: shape"),
    "wide users": ({"inputs": [tensor(shape=[1, 2])]}, "user_id: shape"),
    "wrong user type": ({"inputs": [tensor(datatype="INT64", data=[7])]}, "'INT64'"),
    "fewer users": ({"inputs": [tensor(shape=[2])]}, "1 values"),
    "number for a user": ({"inputs": [tensor(data=[7])]}, "user_id[0]: 7 is not a string"),
    "null user": ({"inputs": [tensor(data=[None])]}, "None is not a string"),
    "empty user": ({"inputs": [tensor(data=[""])]}, "0 bytes"),
    "long user": ({"inputs": [tensor(data=["ä" * 257])]}, "514 bytes"),
    "no rows": ({"inputs": [tensor(shape=[0], data=[])]}, "0 rows"),
    "too many rows": ({"inputs": [tensor(shape=[10_001], data=["u"] * 10_001)]}, "10001 rows"),
    "a huge shape": ({"inputs": [features(shape=[2**62, 3])]}, "rows"),
    "narrow features": ({"inputs": [features(shape=[1, 2], data=[1, 2])]}, "[n, 3]"),
    "flat features": ({"inputs": [features(shape=[3])]}, "[n, 3]"),
    "features as FP64": ({"inputs": [features(datatype="FP64")]}, "'FP64'"),
    "text feature": ({"inputs": [features(data=[1, "2", 3])]}, "'2' in row 0, column 1"),
    "null feature": ({"inputs": [features(data=[1, 2, None])]}, "None in row 0, column 2"),
    "boolean feature": ({"inputs": [features(data=[True, 2, 3])]}, "True in row 0"),
    "overflowing feature": ({"inputs": [features(data=[1, 1e39, 3])]}, "row 0, column 1"),
    "missing feature": ({"inputs": [features(data=[1, 2])]}, "2 values"),
    "ragged rows": ({"inputs": [features(data=[[1, 2, 3], [1]], shape=[2, 3])]}, "4 values"),
    "unknown output": ({"inputs": [tensor()], "outputs": [{"name": "age"}]}, "'age'"),
    "output twice": (
        {"inputs": [tensor()], "outputs": [{"name": "score"}, {"name": "score"}]},
        "repeats",
    ),
    "outputs not a list": ({"inputs": [tensor()], "outputs": "score"}, "outputs"),
    "id not text": ({"inputs": [tensor()], "id": 7}, "id: 7"),
    "long id": ({"inputs": [tensor()], "id": "x" * 257}, "id"),
    "parameters not an object": ({"inputs": [tensor(parameters=[])]}, "parameters"),
    "flag of text": ({"inputs": [tensor()], "parameters": {"binary_data_output": "yes"}}, "'yes'"),
    "size without bytes": (
        {"inputs": [tensor(data=None, parameters={"binary_data_size": 6})]},
        "binary_data_size: 6",
    ),
    "negative size": (
        {"inputs": [tensor(parameters={"binary_data_size": -1})]},
        "binary_data_size: -1",
    ),
}


@pytest.mark.parametrize("case", BAD_DOCUMENTS, ids=lambda case: case.replace(" ", "-"))
def test_a_bad_document_is_refused_by_name(server, kit, case):
    """400 with the field and the value, and the same connection answers the next request."""
    document, words = BAD_DOCUMENTS[case]
    connection = server.connect()
    path = f"/v2/models/{kit.OBJECTIVE}/infer"
    refused = kit.exchange(connection, "POST", path, json.dumps(document))
    assert refused.status == 400
    assert words in refused.json["error"]
    used = connection.sock
    good = kit.exchange(connection, "POST", path, json.dumps(kit.users_request("u1")))
    assert good.status == 200
    assert connection.sock is used


BAD_BODIES = {
    "empty": b"",
    "cut": b'{"inputs": [',
    "NaN": b'{"inputs": [{"name": "features", "shape": [1, 3], "data": [NaN, 1, 2]}]}',
    "not UTF-8": b'{"inputs": "\xff"}',
    "lone surrogate": b'{"id": "\\ud800", "inputs": []}',
    "too deep": b"[" * 100_000,
    "a number": b"7",
    "a list": b"[]",
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_body_that_is_not_a_json_object_is_refused(server, kit, case):
    """400 that speaks of the body."""
    response = server.request("POST", f"/v2/models/{kit.OBJECTIVE}/infer", BAD_BODIES[case])
    assert response.status == 400
    assert "body" in response.json["error"]


def binary(server, kit, header, tail, length=None, content_type="application/octet-stream"):
    head = json.dumps(header).encode()
    return server.request(
        "POST",
        f"/v2/models/{kit.OBJECTIVE}/infer",
        head + tail,
        Inference_Header_Content_Length=str(len(head) if length is None else length),
        Content_Type=content_type,
    )


def binary_features(size, **changes):
    entry = features(parameters={"binary_data_size": size}, **changes)
    del entry["data"]
    return {"inputs": [entry]}


def test_binary_features_need_no_alignment(server, kit):
    """Wherever the JSON part ends, the floats after it are read."""
    row = np.array([1, 2, 3], dtype="<f4").tobytes()
    for padding in range(4):
        header = {**binary_features(12), "id": "x" * (padding + 1)}
        assert binary(server, kit, header, row).status == 200


@pytest.mark.parametrize(
    ("size", "tail", "words"),
    [
        (12, np.array([1, np.nan, 3], dtype="<f4").tobytes(), "value nan in row 0, column 1"),
        (12, np.array([np.inf, 1, 3], dtype="<f4").tobytes(), "inf"),
        (2**40, b"\0" * 12, "binary_data_size"),
        (-12, b"\0" * 12, "binary_data_size"),
        (True, b"\0" * 12, "binary_data_size"),
        (8, b"\0" * 12, "4 bytes after the last tensor"),
        (8, b"\0" * 8, "2 values"),
        (11, b"\0" * 11, "4 bytes a value"),
    ],
)
def test_bad_binary_features_are_refused(server, kit, size, tail, words):
    """NaN, infinity, and sizes that do not fit the body."""
    response = binary(server, kit, binary_features(size), tail)
    assert response.status == 400
    assert words in response.json["error"]


@pytest.mark.parametrize(
    "packed",
    [
        b"\x02\0\0",
        struct.pack("<I", 2**31) + b"u1",
        struct.pack("<I", 1) + b"u1",
        struct.pack("<I", 2) + b"u1" + struct.pack("<I", 2) + b"u2",
        struct.pack("<I", 1) + b"\xff",
        struct.pack("<I", 0),
    ],
)
def test_bad_binary_users_are_refused(server, kit, packed):
    """Lengths that lie, bytes that are no UTF-8, more or fewer ids than the shape says."""
    entry = tensor(parameters={"binary_data_size": len(packed)})
    del entry["data"]
    response = binary(server, kit, {"inputs": [entry]}, packed)
    assert response.status == 400
    assert "user_id" in response.json["error"]


@pytest.mark.parametrize("length", ["-1", "x", "99999", "0", "1.5", ""])
def test_a_bad_header_length_is_refused(server, kit, length):
    """Inference-Header-Content-Length must lie within the body."""
    response = binary(server, kit, kit.users_request("u1"), b"", length)
    assert response.status == 400
    assert "Inference-Header-Content-Length" in response.json["error"]


@pytest.mark.parametrize(
    "request_features",
    [
        np.full((1, 3), np.nan, dtype=np.float32),
        np.zeros((1, 2), dtype=np.float32),
        np.zeros((0, 3), dtype=np.float32),
    ],
)
def test_grpc_refuses_what_rest_refuses(server, kit, request_features):
    """INVALID_ARGUMENT with the same words."""
    rows = triton_grpc.InferInput("features", request_features.shape, "FP32")
    rows.set_data_from_numpy(request_features)
    with (
        triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client,
        pytest.raises(triton_grpc.InferenceServerException, match="features") as caught,
    ):
        client.infer(kit.OBJECTIVE, [rows])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_grpc_does_not_know_other_models(server):
    """NOT_FOUND names what is served; readiness says no."""
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        assert not client.is_model_ready("other")
        with pytest.raises(triton_grpc.InferenceServerException, match="served: coupon") as caught:
            client.get_model_metadata("other")
    assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_numbers_are_no_user_ids(server):
    """Not even where the parser has read them as an array of numbers."""
    for ids in ([1, 2], [1.5, 2]):
        response = server.infer({"inputs": [tensor(shape=[2], data=ids)]})
        assert response.status == 400
        assert "is not a string" in response.json["error"]
