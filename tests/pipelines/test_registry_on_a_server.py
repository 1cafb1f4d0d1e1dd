"""The registry of a cluster: a real MLflow server in the place of the home's database."""

import json
import threading
from datetime import UTC, datetime

import onnx
import pytest

from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.outcome import TrainingOutcome
from tidemill.registry import Registry

OUTCOME = TrainingOutcome(datetime(2024, 6, 1, tzinfo=UTC), "refused", "no better", "2")


@pytest.fixture
def registry(mlflow_server, tmp_path, monkeypatch):
    """A registry of a home that holds nothing yet."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    return Registry(Home(tmp_path / "Heim mit ä"))


@pytest.fixture
def home(tmp_path, registry):
    return Home(tmp_path / "Heim mit ä")


def bundle(folder):
    """A model that passes its feature through, with the files that come with it."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Squeeze", ["features", "axis"], ["score"])],
        "passes",
        [helper.make_tensor_value_info("features", floats, ["batch", 1])],
        [helper.make_tensor_value_info("score", floats, ["batch"])],
        [helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    (folder / "evaluation.json").write_text(json.dumps({"auc": 0.7}))
    (folder / "reference.parquet").write_bytes(b"PAR1")
    return folder


def register(registry, name, tmp_path):
    return registry.register(name, bundle(tmp_path / "bundle"), {}, {"auc": 0.7}, {"why": "test"})


def test_a_version_goes_live_from_the_server(registry, home, tmp_path):
    """Registered there, published here: the served folder holds the files as they were."""
    found = register(registry, "live", tmp_path)
    registry.promote("live", found.version, "better")
    assert registry.champion("live") == "1"
    assert {path.name for path in served_bundle(home, "live").iterdir()} == {
        "model.onnx",
        "evaluation.json",
        "reference.parquet",
        "run_id",
    }
    made = onnx.load(tmp_path / "bundle" / "model.onnx").graph
    assert onnx.load(served_bundle(home, "live") / "model.onnx").graph == made
    assert not home.mlflow_database.exists()


def test_a_rollback_is_served_and_signed(registry, home, tmp_path):
    """The tags say why, when and by whom; what serving mounts is there."""
    for _ in range(2):
        registry.promote("back", register(registry, "back", tmp_path).version, "better")
    assert registry.rollback("back", "worse in the field") == "1"
    assert served_bundle(home, "back").name == "1"
    assert home.predictions("back").is_dir()
    tags = registry.versions("back")[1]["tags"]
    assert tags["tidemill.promoted"] == "worse in the field"
    assert datetime.fromisoformat(tags["tidemill.promoted_at"]).tzinfo == UTC
    assert "@" in tags["tidemill.promoted_by"]


def test_a_draft_left_by_a_killed_promotion_is_no_obstacle(registry, home, tmp_path):
    """Process ids come again in every container."""
    found = register(registry, "killed", tmp_path)
    draft = home.served("killed") / f".{found.version}"
    draft.mkdir(parents=True)
    (draft / "half").write_text("")
    registry.promote("killed", found.version, "better")
    assert not (served_bundle(home, "killed") / "half").exists()


def test_the_outcome_of_a_training_is_kept(registry):
    """The newest one, for an objective that has registered nothing too."""
    assert registry.outcome("fresh") is None
    registry.record_outcome("fresh", TrainingOutcome(OUTCOME.at, "not_ready", "few", None))
    registry.record_outcome("fresh", OUTCOME)
    assert registry.outcome("fresh") == OUTCOME


def test_a_long_reason_is_cut(registry):
    """A tag holds 5,000 characters, and a log can be longer."""
    registry.record_outcome("wordy", TrainingOutcome(OUTCOME.at, "failed", "ä " * 9_000, None))
    assert registry.outcome("wordy").reason.endswith("ä …")


def test_one_experiment_may_be_made_by_many_at_once(registry):
    """Whoever comes second takes the first one's."""
    ids, start = [], threading.Barrier(4)

    def make():
        start.wait()
        ids.append(registry._tracking.experiment("contested"))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == 1


def test_a_server_that_is_not_there_is_named(tmp_path, monkeypatch):
    """Soon, with the variable to correct, and without the credentials."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(
        BundleError, match="MLflow at http://127.0.0.1:9 cannot be reached"
    ) as caught:
        Registry(Home(tmp_path))
    assert "MLFLOW_TRACKING_URI" in caught.value.hint


def test_what_a_server_refuses_is_said(registry):
    """An alias of a model that it does not know, for one."""
    with pytest.raises(BundleError, match="refused: .*name"):
        registry.champion("not a ' name")
