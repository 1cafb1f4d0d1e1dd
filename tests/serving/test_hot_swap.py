"""A promotion is served within about a second, without a restart or a lost request."""

import threading

from tidemill.bundle import MODEL_FILE


def served_version(server, kit):
    return server.infer(kit.users_request("u1")).json["model_version"]


def test_a_promotion_is_picked_up(start_server, home, kit):
    """Requests that run meanwhile are all answered, by the old version or the new one."""
    server = start_server()
    seen, failures, stop = set(), [], threading.Event()

    def load():
        while not stop.is_set():
            response = server.infer(kit.users_request("u1"))
            seen.add(response.json.get("model_version"))
            if response.status != 200:
                failures.append(response)

    worker = threading.Thread(target=load)
    worker.start()
    kit.promote(home, "2", bias=2.0)
    server.wait_for(lambda: served_version(server, kit) == "2", seconds=5)
    stop.set()
    worker.join()
    assert (seen, failures) == ({"1", "2"}, [])
    assert server.get(f"/v2/models/{kit.OBJECTIVE}").json["versions"] == ["2"]


def test_a_broken_bundle_leaves_the_old_one_serving(start_server, home, kit):
    """The log says why, once; the next good promotion is served."""
    server = start_server()
    broken = home.served(kit.OBJECTIVE) / "2"
    broken.mkdir()
    (broken / MODEL_FILE).write_bytes(b"no model")
    kit.point_current(home, "2")
    server.wait_for(lambda: "still serving 1" in server.log(), seconds=5)
    assert served_version(server, kit) == "1"
    kit.promote(home, "3", bias=2.0)
    server.wait_for(lambda: served_version(server, kit) == "3", seconds=5)
    assert server.log().count("still serving 1") == 1


def test_a_newly_promoted_objective_is_served(start_server, home, kit):
    """Without names on the command line, whatever gets promoted is served."""
    server = start_server()
    assert server.infer(kit.users_request("u1"), model="churn").status == 404
    kit.promote(home, "1", objective="churn")
    server.wait_for(
        lambda: server.infer(kit.users_request("u1"), model="churn").status == 200, seconds=5
    )


def test_a_model_folder_is_served_by_content(start_server, home, kit):
    """The form for KServe: one folder, one name, the version taken from the file."""
    folder = kit.write_bundle(home.root / "mounted")
    server = start_server("--model-dir", str(folder), "--model-name", "mine")
    response = server.infer(kit.users_request("u1"), model="mine")
    assert response.status == 200
    assert len(response.json["model_version"]) == 12
    assert server.get("/v1/models").json == {"models": ["mine"]}
