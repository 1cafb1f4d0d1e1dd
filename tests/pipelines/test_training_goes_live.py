"""The whole pipeline on this machine, where the past tells the future."""

import json
import os
import pickletools
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from tidemill.bundle import RecencyRule, read_metadata
from tidemill.online import open_online_reader
from tidemill.registry import Registry
from tidemill_pipelines import steps
from tidemill_pipelines.dataset import TEST, TRAIN, read_split
from tidemill_pipelines.judgement import judge
from tidemill_pipelines.onnx_file import open_session, run

TIDEMILL = str(Path(sys.executable).with_name("tidemill"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def home(folder, home_with, shop_events):
    return home_with(folder, shop_events(300, 120))


def train(home, cutoff):
    arguments = ["orders.yaml", "--at", cutoff.isoformat(), "--json"]
    done = subprocess.run(
        [TIDEMILL, "train", *arguments],
        cwd=home.root.parent,
        env={**os.environ, "TIDEMILL_HOME": str(home.root)},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def first(home, cutoff):
    """What `tidemill train` says the first time."""
    return train(home, cutoff)


@pytest.fixture(scope="module")
def bundle(home, first):
    return (home.served("orders") / "current").resolve()


@pytest.fixture(scope="module")
def metadata(bundle):
    properties = onnx.load(bundle / "model.onnx").metadata_props
    return read_metadata({prop.key: prop.value for prop in properties}, str(bundle))


@pytest.fixture(scope="module")
def dataset(first):
    (path,) = Path(first["run"]).rglob("dataset")
    return path


def test_a_better_model_goes_live(home, first):
    """Registered, champion, and in the served folder."""
    assert (first["version"], first["live"]) == ("1", True)
    assert first["tags"]["tidemill.gate"].startswith("first model; better than recency alone")
    assert home.served_objectives() == ["orders"]
    assert (home.served("orders") / "current").readlink() == Path("1")


def test_a_live_model_finds_its_features(home, metadata):
    """The online store holds everybody's row as of now before the first question is asked."""
    reader = open_online_reader(home, metadata.feature_view, metadata.features)
    assert len(reader.entities()) > 200


def test_the_objective_is_known_from_now_on(home, first):
    """Its name will do next time."""
    assert (home.objectives / "orders.yaml").exists()


def test_the_bundle_describes_itself(metadata, objective_of):
    """Objective, layout, population, the rule to beat and the windows it comes from."""
    assert (metadata.objective, metadata.objective_hash) == ("orders", objective_of().hash)
    assert metadata.population.feature == "any__days_since_last"
    assert metadata.rule == RecencyRule(feature="order__days_since_last", absent=False)
    assert "order__count_28d" in metadata.features
    assert len(metadata.training_cutoffs) == 3
    assert max(metadata.training_cutoffs) < min(metadata.test_cutoffs)
    assert metadata.metrics["auc"] > metadata.metrics["baseline_auc"]


def test_a_stranger_is_told_the_rate_of_all_labelled_windows(metadata, dataset):
    """The newest alone may be an unusual one."""
    labels = [read_split(dataset, split).labels for split in (TRAIN, TEST)]
    assert metadata.base_rate == pytest.approx(np.concatenate(labels).mean())


def test_what_was_judged_is_what_ships(bundle, dataset):
    """The reference rows hold the test window with the scores of the served file."""
    reference, test = pq.read_table(bundle / "reference.parquet"), read_split(dataset, TEST)
    scores = run(open_session(bundle / "model.onnx"), test.vectors)
    assert reference["user_id"].to_pylist() == test.users.tolist()
    assert reference["label"].to_pylist() == test.labels.tolist()
    np.testing.assert_allclose(reference["score"].to_numpy(), scores, atol=1e-9)


def test_grades_hold_their_shares_of_the_current_population(metadata):
    """Cut points are in order, and better grades did better."""
    assert sorted(metadata.grade_thresholds, reverse=True) == list(metadata.grade_thresholds)
    assert metadata.grade_lift["A"] > 1 > metadata.grade_lift["D"]


def test_nothing_that_is_served_is_a_pickle(bundle):
    """ONNX, Parquet and JSON, each of which says what it is; none runs code when loaded."""
    files = {path.name: path for path in bundle.iterdir()}
    assert set(files) == {"model.onnx", "reference.parquet", "evaluation.json", "run_id"}
    onnx.checker.check_model(onnx.load(files["model.onnx"], load_external_data=False))
    assert files["reference.parquet"].read_bytes()[:4] == b"PAR1"
    json.loads(files["evaluation.json"].read_text())
    for path in files.values():
        assert b"torch._utils" not in path.read_bytes()
        with pytest.raises(ValueError, match="."):
            list(pickletools.genops(path.read_bytes()))


def test_another_question_has_no_champion(home, dataset, bundle, objective_of):
    """A model of a 7-day horizon is not compared with one of 14 days."""
    model = bundle / "model.onnx"
    same = judge(home, objective_of(), dataset, model)
    other = judge(home, objective_of("propensity: {event: order, within: 7d}"), dataset, model)
    assert (same.champion_version, other.champion_version) == ("1", None)
    assert same.over_champion.difference == 0


@pytest.fixture(scope="module")
def second(home, first, objective_of, cutoff, tmp_path_factory):
    """The gate's answer and the version of the same training, step by step in this process."""
    folder = tmp_path_factory.mktemp("second")
    root, objective = str(home.root), objective_of().model_dump_json()
    plan, dataset, model, judged = (str(folder / name) for name in ("p", "dataset", "m", "e"))
    steps.validate(root, objective, cutoff.isoformat(), plan)
    steps.build_training_set(root, objective, plan, dataset)
    steps.train(objective, dataset, model)
    steps.evaluate(root, objective, dataset, model, judged)
    version = steps.register(root, objective, dataset, model, judged, "again")
    return steps.gate(root, objective, version, judged), version


def test_training_again_changes_nothing(home, second):
    """The same model is no better than the champion: registered, refused, not served."""
    assert second == (False, "2")
    newest, champion = Registry(home).versions("orders")
    assert (newest["aliases"], champion["aliases"]) == ([], ["champion"])
    assert newest["tags"]["tidemill.gate"].startswith("not better than the champion")
    assert (home.served("orders") / "current").readlink() == Path("1")


def test_training_again_repeats_every_number(home, first, second):
    """Same data and seed, in another process: the same data fingerprint and metrics."""
    runs = {v["version"]: v["run_id"] for v in Registry(home).versions("orders")}
    client = MlflowClient(Registry(home).tracking_uri)
    one, other = (client.get_run(runs[version]).data for version in (first["version"], second[1]))
    assert one.params == other.params
    assert one.metrics == other.metrics
