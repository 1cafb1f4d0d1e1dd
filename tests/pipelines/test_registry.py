"""The registry: versions, the aliases that say which is live, and the folder that is served."""

import json
import subprocess
import sys

import onnx
import pytest

from tidemill.errors import BundleError
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.registry import RIVAL, Registry


def bundle(folder, bias):
    """A model that adds `bias`, with the files that come with it."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["features", "axis"], ["mean"], keepdims=0),
            helper.make_node("Add", ["mean", "bias"], ["score"]),
        ],
        "adds",
        [helper.make_tensor_value_info("features", floats, ["batch", 2])],
        [helper.make_tensor_value_info("score", floats, ["batch"])],
        [
            helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1]),
            helper.make_tensor("bias", floats, [], [bias]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    (folder / "evaluation.json").write_text(json.dumps({"bias": bias}))
    (folder / "reference.parquet").write_bytes(b"PAR1" + str(bias).encode())
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("registry") / "home")


@pytest.fixture(scope="module")
def registry(home):
    return Registry(home)


@pytest.fixture
def register(registry, tmp_path, request):
    """`register(bias)`: the objective of this test and the version just registered."""
    name = request.node.name.replace("_", "-")

    def add(bias):
        folder = bundle(tmp_path / str(bias), bias)
        return name, registry.register(name, folder, {"seed": "0"}, {"auc": bias}, {"why": "test"})

    return add


def served(home, name):
    return json.loads((served_bundle(home, name) / "evaluation.json").read_text())["bias"]


def aliases(registry, name):
    return {v["version"]: v["aliases"] for v in registry.versions(name)}


def test_registering_serves_nothing(home, registry, register):
    """Only a promotion does."""
    name, found = register(0.5)
    assert (found.version, registry.champion(name)) == ("1", None)
    assert name not in home.served_objectives()
    with pytest.raises(BundleError, match="no live model"):
        served_bundle(home, name)


def test_a_promotion_moves_champion_and_link(home, registry, register):
    """The served folder is a copy of what was registered."""
    name, found = register(0.5)
    registry.promote(name, found.version, "better")
    assert (home.served(name) / "current").readlink().name == "1"
    assert served(home, name) == 0.5
    assert {path.name for path in served_bundle(home, name).iterdir()} == {
        "model.onnx",
        "evaluation.json",
        "reference.parquet",
        "run_id",
    }
    assert registry.versions(name)[0]["tags"]["tidemill.promoted"] == "better"


def test_the_old_champion_becomes_previous(home, registry, register):
    """And its files stay, for the way back."""
    for bias in (0.1, 0.2, 0.3):
        name, found = register(bias)
        registry.promote(name, found.version, "better")
    assert aliases(registry, name) == {"3": ["champion"], "2": ["previous"], "1": []}
    assert served(home, name) == pytest.approx(0.3)


def test_a_rollback_swaps_the_two(home, registry, register):
    """So that a second one goes forward again."""
    for bias in (0.1, 0.2):
        name, found = register(bias)
        registry.promote(name, found.version, "better")
    assert registry.rollback(name, "worse in the field") == "1"
    assert aliases(registry, name) == {"2": ["previous"], "1": ["champion"]}
    assert served(home, name) == pytest.approx(0.1)
    assert registry.rollback(name, "not so") == "2"


def test_promoting_the_champion_again_changes_nothing(registry, register):
    """It does not become its own predecessor."""
    for bias in (0.1, 0.2):
        name, found = register(bias)
        registry.promote(name, found.version, "better")
    registry.promote(name, "2", "again")
    assert aliases(registry, name) == {"2": ["champion"], "1": ["previous"]}


def test_every_promotion_is_kept(registry, register):
    """A version that goes live twice is there twice, with who, when and why."""
    for bias in (0.1, 0.2):
        name, found = register(bias)
        registry.promote(name, found.version, f"better by {bias}")
    registry.rollback(name, "worse in the field")
    registry.promote(name, "2", "not so")
    kept = registry.promotions(name)
    assert [(each.version, each.instead_of, each.reason) for each in kept] == [
        ("1", None, "better by 0.1"),
        ("2", "1", "better by 0.2"),
        ("1", "2", "worse in the field"),
        ("2", "1", "not so"),
    ]
    assert all("@" in each.by and each.at.utcoffset() is not None for each in kept)


def test_the_history_is_there_before_the_change(registry, register, monkeypatch):
    """Killed in between, a promotion is on record that may not have happened, never the reverse."""
    name, found = register(0.5)
    with monkeypatch.context() as killed:
        killed.setattr(
            registry._client,
            "set_registered_model_alias",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            registry.promote(name, found.version, "better")
    assert registry.champion(name) is None
    registry.promote(name, found.version, "again")
    assert [each.reason for each in registry.promotions(name)] == ["better", "again"]


def test_a_reason_of_any_length_is_recorded(registry, register):
    """As far as MLflow can hold it, in any script."""
    name, found = register(0.5)
    registry.promote(name, found.version, "\u6f6e " * 3_000)
    assert registry.promotions(name)[0].reason.endswith("…")


def test_a_shadow_changes_nothing_of_the_champion(home, registry, register):
    """It has an alias and a link of its own, and both go when it does."""
    name, _ = register(0.1)
    register(0.2)
    registry.promote(name, "1", "first")
    registry.put_in_shadow(name, "2")
    assert aliases(registry, name) == {"2": ["shadow"], "1": ["champion"]}
    assert (home.served(name) / "shadow").readlink().name == "2"
    assert (registry.shadow(name)[0], served(home, name)) == ("2", pytest.approx(0.1))
    registry.end_shadow(name)
    assert (registry.shadow(name), aliases(registry, name)["2"]) == (None, [])
    assert not (home.served(name) / "shadow").is_symlink()


def test_any_promotion_ends_the_shadow(home, registry, register):
    """What was compared with a champion says nothing about the next one."""
    name, _ = register(0.1)
    for bias in (0.2, 0.3):
        register(bias)
    registry.promote(name, "1", "first")
    registry.put_in_shadow(name, "2")
    registry.promote(name, "3", "by hand")
    assert registry.shadow(name) is None
    assert not (home.served(name) / "shadow").is_symlink()


def test_challengers_are_counted_by_their_champion(registry, tmp_path, request):
    """Those that met another champion, or none, are not among them."""
    name = request.node.name.replace("_", "-")
    for number, tags in enumerate([{}, {RIVAL: "1"}, {RIVAL: "1"}, {RIVAL: "2"}]):
        folder = bundle(tmp_path / str(number), number)
        registry.register(name, folder, {"seed": "0"}, {"auc": 0.5}, tags)
    assert [registry.challengers(name, version) for version in "123"] == [2, 1, 0]


def test_a_rollback_needs_somewhere_to_go(registry, register):
    """The first champion has no predecessor."""
    name, found = register(0.5)
    registry.promote(name, found.version, "first")
    with pytest.raises(BundleError, match="no previous champion"):
        registry.rollback(name, "worse")


def test_a_promotion_cut_short_is_finished_by_the_next_run(home, registry, register, monkeypatch):
    """Killed between the alias and the served folder, the champion is served all the same."""
    name, found = register(0.5)
    with monkeypatch.context() as killed:
        killed.setattr(Registry, "_publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            registry.promote(name, found.version, "better")
    registry.finish_promotion(name)
    assert (registry.champion(name), served(home, name)) == ("1", 0.5)


def forget(registry, name):
    """What a lost database of MLflow amounts to: version numbers begin again."""
    from mlflow import MlflowClient  # 2 CPU seconds

    MlflowClient(registry.tracking_uri).delete_registered_model(name)


def test_a_version_is_never_served_by_an_older_model_of_its_number(home, registry, register):
    """Its folder is still there when version numbers begin again."""
    name, old = register(0.1)
    registry.promote(name, old.version, "better")
    forget(registry, name)
    _, new = register(0.2)
    assert new.version == old.version == "1"
    registry.promote(name, new.version, "better")
    assert served(home, name) == pytest.approx(0.2)


def test_what_is_live_loses_a_number_that_is_given_anew(home, registry, register):
    """The new version was not promoted, so what goes on being served must not bear its name."""
    name, old = register(0.1)
    registry.promote(name, old.version, "better")
    forget(registry, name)
    register(0.2)
    assert served_bundle(home, name).name == "1-unregistered"
    assert served(home, name) == 0.1
    registry.finish_promotion(name)
    assert served(home, name) == 0.1


def test_what_is_in_the_shadow_loses_a_number_that_is_given_anew(home, registry, register):
    """Otherwise an unjudged model would be scored under the old one's number."""
    name, first = register(0.1)
    registry.promote(name, first.version, "better")
    _, second = register(0.2)
    registry.put_in_shadow(name, second.version)
    forget(registry, name)
    register(0.3)
    register(0.4)
    assert (home.served(name) / "shadow").resolve().name == "2-unregistered"


def test_a_folder_of_another_registry_is_not_taken_for_a_version(home, registry, register):
    """Such as one that came with a copied home: nothing says which run made it."""
    name, found = register(0.2)
    folder = home.served(name) / found.version
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text('{"bias": 0.1}')
    registry.promote(name, found.version, "better")
    assert served(home, name) == pytest.approx(0.2)
    kept = home.served(name) / "1-unregistered" / "evaluation.json"
    assert kept.read_text() == '{"bias": 0.1}'


def test_a_link_to_another_model_is_put_right_by_the_next_run(home, registry, register):
    """The champion's number alone does not prove that the champion is served."""
    name, found = register(0.2)
    registry.promote(name, found.version, "better")
    (served_bundle(home, name) / "run_id").write_text("of another registry")
    (served_bundle(home, name) / "evaluation.json").write_text('{"bias": 0.1}')
    registry.finish_promotion(name)
    assert served(home, name) == pytest.approx(0.2)


def test_an_unknown_objective_has_no_versions(registry):
    """And no champion."""
    assert registry.versions("nobody") == []
    assert registry.champion("nobody") is None
    assert registry.promotions("nobody") == []


def test_the_signature_says_what_goes_in(registry, register):
    """Float32 rows of the model's width in, one score a row out."""
    import mlflow  # 2 CPU seconds
    from mlflow.models import get_model_info

    name, _ = register(0.5)
    mlflow.set_tracking_uri(registry.tracking_uri)
    signature = get_model_info(f"models:/{name}/1").signature
    assert [spec.shape for spec in signature.inputs.inputs] == [(-1, 2)]
    assert [spec.name for spec in signature.outputs.inputs] == ["score"]


def test_two_processes_may_open_a_new_registry_at_once(tmp_path):
    """MLflow's own migration races and leaves a broken database; ours waits its turn."""
    script = (
        "import sys; from pathlib import Path; from tidemill.home import Home; "
        "from tidemill.registry import Registry; "
        "print(Registry(Home(Path(sys.argv[1]))).versions('x'))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert [out.strip() for out, _ in said] == [b"[]", b"[]"]
    assert not any(b"INFO" in err for _, err in said), "MLflow tells of its migrations"
