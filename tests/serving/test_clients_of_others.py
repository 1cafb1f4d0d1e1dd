"""The protocol, proven by clients that other projects wrote: tritonclient and kserve.

Both register the same protobuf names, so they cannot live in one process: kserve gets its own.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

KSERVE_SCRIPT = """
import asyncio, json, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient
from kserve.inference_client import RESTConfig

port, grpc_port, model = sys.argv[1:]
url = f"http://127.0.0.1:{port}"

def request(binary):
    users = InferInput("user_id", [2], "BYTES")
    users.set_data_from_numpy(np.array([b"u1", b"nobody"], dtype=object), binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[users], request_id="from-kserve")

def features(binary):
    rows = InferInput("features", [1, 3], "FP32")
    rows.set_data_from_numpy(np.array([[3, 2, 20]], dtype=np.float32), binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[rows])

def flat(response):
    return {o.name: o.as_numpy().tolist() for o in response.outputs} | {"id": response.id}

def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)

async def main():
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    grpc = InferenceGRPCClient(f"127.0.0.1:{grpc_port}")
    said = {
        "rest_json": flat(await rest.infer(url, request(False), model_name=model)),
        "rest_binary": flat(await rest.infer(url, request(True), model_name=model)),
        "grpc_contents": flat(await grpc.infer(request(False))),
        "grpc_raw": flat(await grpc.infer(request(True))),
        "v1": await v1.infer(url, {"instances": ["u1", "nobody"]}, model_name=model),
        "features_rest": flat(await rest.infer(url, features(False), model_name=model)),
        "features_grpc": flat(await grpc.infer(features(True))),
        "ready": [
            await rest.is_server_ready(url), await rest.is_server_live(url),
            await rest.is_model_ready(url, model), await grpc.is_server_ready(),
            await grpc.is_server_live(), await grpc.is_model_ready(model),
        ],
    }
    await grpc.close()
    print(json.dumps(said, default=text))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def kserve_said(server, kit):
    """What kserve's two clients got from the server."""
    arguments = [str(server.port), str(server.grpc_port), kit.OBJECTIVE]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KSERVE_SCRIPT, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def wanted(kit):
    """Score of u1, and the base rate of a stranger."""
    return pytest.approx([kit.expected_score(kit.vector_of(1)), 0.04], abs=1e-6)


@pytest.mark.parametrize("form", ["rest_json", "rest_binary", "grpc_contents", "grpc_raw"])
def test_kserve_clients_get_every_output(kserve_said, wanted, form):
    """Scores, letters, flags and the request id, in all four encodings."""
    answer = kserve_said[form]
    assert answer["score"] == wanted
    assert answer["cold_start"] == [False, True]
    assert answer["model_version"] == ["1", "1"]
    assert answer["grade"][1] == "D"
    assert answer["id"] == "from-kserve"


def test_kserve_clients_find_the_server_ready(kserve_said):
    """Server live and ready, model ready, over REST and gRPC."""
    assert kserve_said["ready"] == [True] * 6


def test_kserve_clients_send_features_and_v1(kserve_said, wanted):
    """The same row over REST and gRPC has the same score; V1 answers too."""
    assert kserve_said["features_rest"]["score"] == kserve_said["features_grpc"]["score"]
    assert [row["score"] for row in kserve_said["v1"]["predictions"]] == wanted


@pytest.mark.parametrize("binary", [False, True])
def test_triton_http_reads_users_and_outputs(server, kit, wanted, binary):
    """JSON and binary tensors, both ways."""
    client = triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")
    users = triton_http.InferInput("user_id", [2], "BYTES")
    users.set_data_from_numpy(np.array([b"u1", b"nobody"], dtype=object), binary_data=binary)
    outputs = [
        triton_http.InferRequestedOutput(name, binary_data=binary)
        for name in ("score", "grade", "cold_start")
    ]
    result = client.infer(kit.OBJECTIVE, [users], outputs=outputs, request_id="from-triton")
    assert result.as_numpy("score").tolist() == wanted
    assert result.as_numpy("cold_start").tolist() == [False, True]
    assert result.as_numpy("grade")[1] in (b"D", "D")
    assert result.get_response()["id"] == "from-triton"
    client.close()


def test_triton_http_sends_binary_features(server, kit):
    """Without requested outputs tritonclient asks for all of them as binary."""
    client = triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")
    rows = triton_http.InferInput("features", [2, 3], "FP32")
    rows.set_data_from_numpy(np.stack([kit.vector_of(1), kit.vector_of(2)]))
    scores = client.infer(kit.OBJECTIVE, [rows]).as_numpy("score")
    wanted = [kit.expected_score(kit.vector_of(number)) for number in (1, 2)]
    assert scores == pytest.approx(wanted, abs=1e-6)
    client.close()


def test_triton_http_finds_the_model(server, kit):
    """Live, ready, metadata."""
    client = triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(kit.OBJECTIVE, "1")
    assert client.get_server_metadata()["name"] == "tidemill"
    assert client.get_model_metadata(kit.OBJECTIVE)["versions"] == ["1"]
    client.close()


def test_triton_grpc_agrees(server, kit, wanted):
    """Users, metadata and readiness over gRPC."""
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        users = triton_grpc.InferInput("user_id", [2, 1], "BYTES")
        users.set_data_from_numpy(np.array([[b"u1"], [b"nobody"]], dtype=object))
        result = client.infer(kit.OBJECTIVE, [users], request_id="from-triton")
        assert result.as_numpy("score").tolist() == wanted
        assert result.as_numpy("grade")[1] == b"D"
        assert result.get_response().id == "from-triton"
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(kit.OBJECTIVE)
        assert client.get_model_metadata(kit.OBJECTIVE).platform == "onnxruntime_onnx"
        assert list(client.get_server_metadata().extensions) == ["binary_tensor_data"]
