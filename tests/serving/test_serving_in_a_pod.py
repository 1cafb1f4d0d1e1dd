"""A serving pod mounts one published folder to read and one prediction log to write."""

import pytest

from tidemill.home import Home


@pytest.fixture
def home(tmp_path, kit, redis_server, monkeypatch):
    """What a pod sees: the published versions, and nothing else."""
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", redis_server.url)
    home = Home(tmp_path / "home")
    kit.fill_store(home)
    kit.write_bundle(home.served(kit.OBJECTIVE) / "12")
    return home


@pytest.fixture
def server(start_server, home, kit):
    folder = home.served(kit.OBJECTIVE) / "12"
    return start_server("--model-dir", str(folder), "--model-name", kit.OBJECTIVE)


def files(home):
    found = (path.relative_to(home.root) for path in home.root.rglob("*") if path.is_file())
    return {str(path) for path in found if not path.name.startswith("server-")}


def test_the_folder_names_the_version(server, home, kit):
    """The registry's number, as `tidemill models` shows it."""
    assert server.infer(kit.users_request("u1")).json["model_version"] == "12"
    assert server.get(f"/v2/models/{kit.OBJECTIVE}/versions/12/ready").status == 200


def test_only_the_prediction_log_is_written(server, home, kit):
    """Everything else may be read-only: no lock, no cache, no folder."""
    before = files(home)
    assert server.infer(kit.users_request("u1")).status == 200
    assert server.stop() == 0
    log = str(home.predictions(kit.OBJECTIVE).relative_to(home.root))
    assert {path.rsplit("/", 1)[0] for path in files(home) - before} == {log}
    assert sorted(path.name for path in home.root.iterdir() if path.is_dir()) == [
        "predictions",
        "serving",
    ]
