"""The whole pipeline for an objective that chooses items, where tastes tell who will buy what."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import load_objective
from tidemill.online import open_online_reader
from tidemill.recommendation.bundle import RecommenderMetadata, read_any_metadata
from tidemill.recommendation.catalogue import read_catalogue
from tidemill.recommendation.history import LAYOUT, unpack_history
from tidemill.registry import Registry
from tidemill_features.kept_interests import kept_interests
from tidemill_pipelines import steps

TIDEMILL = str(Path(sys.executable).with_name("tidemill"))
OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: next-items}
spec:
  recommendation: {event: order, within: 14d, count: 6}
  training: {minimum_positives: 100}
  monitoring: {retrain: {guard: [property.plan]}}
"""
TASTES, PER_TASTE = 3, 20


def tastes(events_of, users=150, seed=0):
    """Everybody orders an item of their own taste every five days, and none of them twice."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        own = user % TASTES * PER_TASTE + rng.permutation(PER_TASTE)
        for time, item in enumerate(own[:16].tolist()):
            rows.append({"user": f"u{user:03}", "item": f"i{item:02}", "days_ago": 5 * time + 1.5})
    return events_of(*rows)


@pytest.fixture(scope="module")
def home(tmp_path_factory, events_of):
    folder = tmp_path_factory.mktemp("choosing")
    (folder / "next-items.yaml").write_text(OBJECTIVE)
    home = Home(folder / "home")
    EventLog(home.events).append(tastes(events_of))
    return home


def tidemill(home, *arguments):
    return subprocess.run(
        [TIDEMILL, *arguments],
        cwd=home.root.parent,
        env={**os.environ, "TIDEMILL_HOME": str(home.root), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )


@pytest.fixture(scope="module")
def first(home, cutoff):
    """What `tidemill train` says the first time."""
    done = tidemill(home, "train", "next-items.yaml", "--at", cutoff.isoformat(), "--json")
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "log": done.stderr}


@pytest.fixture(scope="module")
def bundle(home, first):
    return (home.served("next-items") / "current").resolve()


@pytest.fixture(scope="module")
def metadata(bundle):
    properties = onnx.load(bundle / "model.onnx").metadata_props
    return read_any_metadata({each.key: each.value for each in properties}, str(bundle))


@pytest.fixture(scope="module")
def evaluation(bundle):
    return json.loads((bundle / "evaluation.json").read_text())


def test_a_better_recommender_goes_live(home, first):
    """Registered, champion, and in the served folder; the gate speaks of NDCG."""
    assert (first["version"], first["live"]) == ("1", True)
    rule = "first model; better than own favourites, then what is popular: NDCG +"
    assert first["tags"]["tidemill.gate"].startswith(rule)
    assert home.served_objectives() == ["next-items"]


def test_people_read_how_it_went(first):
    """What there was, what won, and how good it is beside the simple rule."""
    log = " ".join(first["log"].split())
    assert "ready: 60 items; models are chosen by" in log
    assert "test window: NDCG@6 0." in log
    assert "gate: promote: first model" in log


def test_the_bundle_describes_itself(metadata, home):
    """Objective, items, and the two cutoffs, which lie one horizon apart."""
    declared = load_objective(home.objectives / "next-items.yaml")
    assert isinstance(metadata, RecommenderMetadata)
    assert (metadata.objective, metadata.objective_hash) == ("next-items", declared.hash)
    assert metadata.items == tuple(f"i{n:02}" for n in range(TASTES * PER_TASTE))
    assert (metadata.count, metadata.repeats, metadata.horizon_days) == (6, True, 14)
    assert [each[:10] for each in metadata.training_cutoffs] == ["2024-05-04"]
    assert [each[:10] for each in metadata.test_cutoffs] == ["2024-05-18"]


def test_the_bundle_is_served_whole(bundle):
    """With its items, its reference lists and its evaluation; nothing of it is a pickle."""
    found = {path.name for path in bundle.iterdir()}
    described = {"model.onnx", "reference.parquet", "evaluation.json", "items.json"}
    assert found == {*described, "run_id"}
    assert json.loads((bundle / "items.json").read_text())["items"][:2] == ["i00", "i01"]


def test_reference_lists_are_those_of_the_served_file(bundle, evaluation):
    """Every judged user's list, and a mean NDCG that is the promised one."""
    reference = pq.read_table(bundle / "reference.parquet")
    assert reference.column_names == ["user_id", "cutoff", "ndcg", "items"]
    assert reference.num_rows == evaluation["metrics"]["users"] == 150
    assert reference["ndcg"].to_numpy().mean() == pytest.approx(evaluation["metrics"]["ndcg"])
    lists = reference["items"].to_pylist()
    of_own_taste = [
        int(i[1:]) // PER_TASTE == n % TASTES for n, row in enumerate(lists) for i in row
    ]
    assert np.mean(of_own_taste) > 0.95


def test_the_evaluation_has_what_the_report_shows(evaluation):
    """Metrics beside the rule's, candidates with their cost, slices, neighbours and a map."""
    metrics = evaluation["metrics"]
    assert evaluation["kind"] == "recommendation"
    assert metrics["ndcg"] > metrics["baseline_ndcg"]
    assert {"recall", "coverage", "novelty", "popularity_share", "ece"} <= metrics.keys()
    assert all(candidate["cpu_seconds"] >= 0 for candidate in evaluation["candidates"])
    assert evaluation["model"] in {candidate["name"] for candidate in evaluation["candidates"]}
    assert sum(each["users"] for each in evaluation["slices"]["users"]) == 150
    assert len(evaluation["map"]["points"]) == TASTES * PER_TASTE


def test_neighbours_share_their_users(evaluation):
    """Items of one taste are near each other, on the list and on the map."""
    for anchor in evaluation["neighbours"]:
        taste = int(anchor["item"][1:]) // PER_TASTE
        assert {int(near["item"][1:]) // PER_TASTE for near in anchor["nearest"]} == {taste}
    points = {
        each["item"]: np.array([each["x"], each["y"]]) for each in evaluation["map"]["points"]
    }
    centres = [
        np.mean([points[f"i{t * PER_TASTE + n:02}"] for n in range(PER_TASTE)], 0) for t in range(3)
    ]
    spread = max(np.linalg.norm(points["i00"] - points[f"i{n:02}"]) for n in range(PER_TASTE))
    assert np.linalg.norm(centres[0] - centres[1]) > 3 * spread


def test_what_it_reads_is_online(home, metadata):
    """Everybody's history under its own view, and what may be offered."""
    assert kept_interests(home) == {"next-items": (metadata.interests,)}
    with closing(open_online_reader(home, metadata.interests.view, LAYOUT)) as reader:
        (row,) = reader.read_packed(["u000"])
    assert set(unpack_history(row[1]).items) <= {f"i{n:02}" for n in range(PER_TASTE)}
    assert read_catalogue(home.catalogue("next-items")).items == metadata.items


def test_the_served_file_answers_for_a_stranger(bundle, metadata):
    """Without a history, without exclusions."""
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    item, score = session.run(
        ["item", "score"],
        {
            "history": np.empty((1, 0), np.int64),
            "facts": np.empty((1, 0, 7), np.float32),
            "activity": np.zeros((1, 5), np.float32),
            "context": np.array([-1]),
            "allowed": np.ones((1, len(metadata.items)), bool),
            "excluded": np.empty((1, 0), np.int64),
            "k": np.array([4]),
        },
    )
    assert len(set(item[0])) == 4
    assert ((score > 0) & (score < 1)).all()


def test_mlflow_knows_what_goes_in(home, first):
    """The signature has every input of the graph."""
    registry = Registry(home)
    import mlflow

    mlflow.set_tracking_uri(registry.tracking_uri)
    signature = mlflow.models.get_model_info("models:/next-items/1").signature
    assert signature.inputs.input_names() == [
        *("history", "facts", "activity", "context", "allowed", "excluded", "k")
    ]
    assert signature.outputs.input_names()[:2] == ["item", "score"]


@pytest.fixture(scope="module")
def second(home, first, cutoff, tmp_path_factory):
    """The gate's answer and the version of the same training, step by step in this process."""
    folder = tmp_path_factory.mktemp("second")
    root = str(home.root)
    objective = load_objective(home.objectives / "next-items.yaml").model_dump_json()
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
    newest, champion = Registry(home).versions("next-items")
    assert newest["tags"]["tidemill.gate"].startswith(
        "not better than the champion beyond doubt: NDCG +0.0000, with 97.5% confidence +0.0000"
    )
    assert champion["aliases"] == ["champion"]


def test_versions_go_live_and_back_by_hand(home, second):
    """With `promote` and `rollback`, as the models of other objectives do."""
    promoted = tidemill(home, "promote", "next-items", "2", "--reason", "a try")
    assert promoted.returncode == 0, promoted.stderr
    assert (home.served("next-items") / "current").readlink() == Path("2")
    assert tidemill(home, "rollback", "next-items", "--reason", "no").returncode == 0
    assert (home.served("next-items") / "current").readlink() == Path("1")
    listed = tidemill(home, "models", "next-items").stdout
    assert "champion" in listed
    assert "previous" in listed
