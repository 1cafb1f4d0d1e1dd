"""How a server ends: in order when asked, and without losing what it acknowledged when killed."""

import json
import threading
import time

import tritonclient.grpc as triton_grpc

from tidemill.predictions import read_predictions


def test_sigterm_flips_readiness_and_ends_cleanly(start_server, kit):
    """Not ready at once, still answering, then exit code 0."""
    server = start_server()
    kept = server.connect()
    assert kit.exchange(kept, "GET", "/v2/health/ready").status == 200
    server.process.terminate()
    server.wait_for(lambda: server.get("/v2/health/ready").status == 503, seconds=1)
    assert server.get("/v2/health/live").status == 200
    assert server.infer(kit.users_request("u1")).status == 200
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        assert not client.is_server_ready()
    assert server.process.wait(timeout=10) == 0


def test_a_request_in_flight_is_finished(start_server, kit):
    """A body that is still arriving at SIGTERM is read to its end and answered."""
    server = start_server()
    body = json.dumps(kit.users_request("u1")).encode()
    connection = server.connect()
    connection.putrequest("POST", f"/v2/models/{kit.OBJECTIVE}/infer")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    time.sleep(0.2)
    server.process.terminate()
    time.sleep(1.5)
    connection.send(body[10:])
    assert connection.getresponse().status == 200
    assert server.process.wait(timeout=10) == 0


def test_kill_9_loses_nothing_acknowledged(start_server, home, kit):
    """Every prediction id a client has seen is in the log, with its user."""
    server = start_server()
    acknowledged = {}

    def load(worker):
        connection = server.connect()
        for number in range(100_000):
            prediction = f"{worker}-{number}"
            body = json.dumps(kit.users_request(f"u{number % kit.USERS}", id=prediction))
            try:
                path = f"/v2/models/{kit.OBJECTIVE}/infer"
                response = kit.exchange(connection, "POST", path, body)
            except (OSError, kit.http.client.HTTPException):
                return
            acknowledged[response.json["id"]] = f"u{number % kit.USERS}"

    workers = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    server.wait_for(lambda: len(acknowledged) > 300)
    server.process.kill()
    for worker in workers:
        worker.join()
    logged = {
        record.prediction_id: record.users[0]
        for record in read_predictions(home.predictions(kit.OBJECTIVE))
    }
    assert acknowledged.items() <= logged.items()
    assert len(acknowledged) > 300
